import { utf8 } from '@keymesh/kernel';
import { z } from 'zod';
import { CREDENTIAL_TYPES } from './credential-types.js';
import { AT_EXPIRY, STRICTNESSES } from './operations/vault-types.js';
import { parseStrictJson } from './strict-json.js';

/** The rules that every type knows. */
export const GENERAL_RULE_NAMES = [
  'min-length',
  'special',
  'number',
  'upper',
  'lower',
  'low-entropy',
  'common',
  'breached',
  'reused',
  'repeated',
  'provider-format',
  'expired',
] as const;
/** Those of single types. Names are never taken away: policies with them are kept. */
export const TYPE_RULE_NAMES = ['weak-key', 'no-names', 'not-yet-valid'] as const;

const ruleNames = new Set<string>([...GENERAL_RULE_NAMES, ...TYPE_RULE_NAMES]);
const typeNames = new Set<string>(CREDENTIAL_TYPES);

const days = z
  .number('must be a number of days')
  .positive('must be more than 0 days')
  .max(36_500, 'must be at most 36500 days');
const layerFields = {
  minLengthChars: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(1_024, 'must be at most 1024')
    .optional(),
  minEntropyBits: z
    .number('must be a number')
    .min(0, 'must be at least 0')
    .max(256, 'must be at most 256')
    .optional(),
  maxAgeDays: days.nullable().optional(),
  rotationIntervalDays: days.optional(),
  atExpiry: z.enum(AT_EXPIRY, `must be one of ${AT_EXPIRY.join(', ')}`).optional(),
  rules: z
    .record(
      z.string().refine((rule) => ruleNames.has(rule), 'is no rule; see docs/reference/credential-types.md'),
      z.enum(STRICTNESSES, `must be one of ${STRICTNESSES.join(', ')}`),
    )
    .optional(),
};
const layer = z.strictObject(layerFields);
const types = z.record(
  z.string().refine((type) => typeNames.has(type), 'is no credential type'),
  layer,
);

/** What is asked of values before they are stored, and when they grow old: by namespace and type. docs/reference/credential-policy.md */
export const credentialPolicyDocument = z.strictObject({
  defaults: layer.optional(),
  types: types.optional(),
  namespaces: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/, 'is no namespace'),
      z.strictObject({ ...layerFields, types: types.optional() }),
    )
    .optional(),
});
export type CredentialPolicyDocument = z.output<typeof credentialPolicyDocument>;

/**
 * Reads a credential policy from its JSON text.
 * @returns a sentence for each field that is wrong; then the policy is what is built in.
 */
export function parseCredentialPolicy(text: string): {
  readonly policy: CredentialPolicyDocument;
  readonly problems: readonly string[];
} {
  const parsed = credentialPolicyDocument.safeParse(jsonOf(text));
  if (parsed.success) return { policy: parsed.data, problems: [] };
  return { policy: {}, problems: parsed.error.issues.map(sentenceOf) };
}

// A field that is named twice would say one thing to who reads the text and another to the vault.
function jsonOf(text: string): unknown {
  try {
    return text.trim() === '' ? undefined : parseStrictJson(utf8(text));
  } catch {
    return undefined;
  }
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.path.length === 0 && issue.code === 'invalid_type')
    return 'must name a file that holds a JSON object, in which each field is named once';
  const field = issue.path.length === 0 ? 'the file' : issue.path.map(String).join(' → ');
  if (issue.code === 'unrecognized_keys') return `${field} has the unknown field ${issue.keys.join(', ')}`;
  // The sentence of a wrong key is inside.
  const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message;
  return `${field} ${message ?? 'is not valid'}`;
}
