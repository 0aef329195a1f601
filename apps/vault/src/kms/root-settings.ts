import { booleanVariable, integerVariable } from '@keymesh/service-kit/task';
import { z } from 'zod';
import {
  KMS_SETTINGS,
  kmsProviderVariables,
  MEMBER_SETTINGS,
  type KmsConfigOf,
  type KmsName,
  type MemberName,
} from './settings.js';
import type { WrapMode } from './root-envelope.js';

const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>) => Object.keys(table) as Name[];
const member = z.enum(namesOf(MEMBER_SETTINGS));

/** The root of all keys: which KMS, and their own variables. */
export const kmsVariables = {
  KEYMESH_KMS: z
    .enum([...namesOf(KMS_SETTINGS), 'any-of', 'all-of'])
    .default('local')
    .describe(
      'Which KMS wraps the root of all keys. any-of: each of several, and one is enough (as strong as the weakest); all-of: several, and each is needed.',
    ),
  KEYMESH_KMS_MEMBERS: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(member).min(2))
    .refine((names) => new Set(names).size === names.length, { error: 'must name each KMS once' })
    .optional()
    .describe('any-of, all-of: two KMS or more with a comma between them, e.g. aws-kms,recovery.'),
  KEYMESH_KMS_STRICT: booleanVariable
    .prefault('false')
    .describe('all-of: true, once everything is rewrapped, refuses what fewer than all members wrapped.'),
  KEYMESH_KMS_DEADLINE_MS: integerVariable(100, 30_000)
    .prefault('2000')
    .describe('How long a key may wait for the KMS; the members of any-of share it.'),
  ...kmsProviderVariables,
} satisfies z.ZodRawShape;

/** One KMS, or several of them together. */
export type KmsConfig = { readonly deadlineMs?: number } & (
  | KmsConfigOf<KmsName>
  | {
      readonly kind: WrapMode;
      readonly members: readonly KmsConfigOf<MemberName>[];
      readonly strict: boolean;
    }
);

/** Reads what KEYMESH_KMS asks for. A variable that is missing becomes an issue of `context`, with its name. */
export function toKmsConfig(
  variables: z.output<z.ZodObject<typeof kmsVariables>>,
  context: z.core.$RefinementCtx,
): KmsConfig {
  const { KEYMESH_KMS: kind, KEYMESH_KMS_DEADLINE_MS: deadlineMs, KEYMESH_KMS_STRICT: strict } = variables;
  const missing = (name: string, neededFor: string) =>
    context.issues.push({
      code: 'custom',
      input: undefined,
      path: [name],
      message: `is required with ${neededFor}`,
    });
  const open = (name: MemberName, neededFor: string): KmsConfigOf<MemberName> =>
    MEMBER_SETTINGS[name].toConfig(variables, (variable: keyof typeof kmsProviderVariables) => {
      const value = variables[variable];
      if (typeof value === 'string') return value;
      missing(variable, neededFor);
      return '';
    });
  if (kind !== 'any-of' && kind !== 'all-of')
    return { ...(open(kind, `KEYMESH_KMS=${kind}`) as KmsConfigOf<KmsName>), deadlineMs };
  const names = variables.KEYMESH_KMS_MEMBERS ?? [];
  if (names.length === 0) missing('KEYMESH_KMS_MEMBERS', `KEYMESH_KMS=${kind}`);
  const members = names.map((name) => open(name, `${name} in KEYMESH_KMS_MEMBERS`));
  return { kind, members, strict, deadlineMs };
}
