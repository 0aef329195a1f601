import { AT_EXPIRY, STRICTNESSES } from '@keymesh/contracts';
import { z } from 'zod';
import { credentialTypes } from '../types/index.js';
import {
  DEFAULT_CREDENTIAL_POLICY,
  GENERAL_RULES,
  overlay,
  type CredentialPolicy,
  type CredentialPolicyLayer,
  type CredentialPolicyOf,
} from './credential-policy.js';

const knownRules = new Set<string>([
  ...GENERAL_RULES.map(({ rule }) => rule),
  ...Object.values(credentialTypes).flatMap(({ rules = [] }) => rules.map(({ rule }) => rule)),
]);
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
      z.string().refine((rule) => knownRules.has(rule), 'is no rule; see docs/reference/credential-types.md'),
      z.enum(STRICTNESSES, `must be one of ${STRICTNESSES.join(', ')}`),
    )
    .optional(),
};
const layer = z.strictObject(layerFields);
const types = z.record(
  z.string().refine((type) => Object.hasOwn(credentialTypes, type), 'is no credential type'),
  layer,
);
const policyFile = z.strictObject({
  defaults: layer.optional(),
  types: types.optional(),
  namespaces: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/, 'is no namespace'),
      z.strictObject({ ...layerFields, types: types.optional() }),
    )
    .optional(),
});
export type CredentialPolicyFile = z.output<typeof policyFile>;

/** Reads a credential policy file. @returns a sentence for each field that is wrong; then the policy is what is built in. */
export function parseCredentialPolicy(text: string): {
  readonly policy: CredentialPolicyFile;
  readonly problems: readonly string[];
} {
  const parsed = policyFile.safeParse(jsonOf(text));
  if (parsed.success) return { policy: parsed.data, problems: [] };
  return { policy: {}, problems: parsed.error.issues.map(sentenceOf) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.path.length === 0 && issue.code === 'invalid_type')
    return 'must name a file that holds a JSON object';
  const field = issue.path.length === 0 ? 'the file' : issue.path.map(String).join(' → ');
  if (issue.code === 'unrecognized_keys') return `${field} has the unknown field ${issue.keys.join(', ')}`;
  // The sentence of a wrong key is inside.
  const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message;
  return `${field} ${message ?? 'is not valid'}`;
}

/**
 * Which policy holds where. General settings lie below those of a type, wider below narrower:
 * built in → file's defaults → its namespaces, from the shortest prefix → the type's own → file's types → namespaces' types.
 */
export function makeCredentialPolicies(file: CredentialPolicyFile = {}): CredentialPolicyOf {
  const known = new Map<string, CredentialPolicy>();
  return (namespace, type) => {
    const key = `${type} ${namespace}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const policy = layersOf(file, namespace, type).reduce(overlay, DEFAULT_CREDENTIAL_POLICY);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, policy);
    return policy;
  };
}

/** Namespaces are made by writers: memory must not grow with them without end. */
const MAX_KNOWN = 10_000;

function layersOf(
  file: CredentialPolicyFile,
  namespace: string,
  type: string,
): (CredentialPolicyLayer | undefined)[] {
  const segments = namespace.split('/');
  const within = segments
    .map((_, at) => file.namespaces?.[segments.slice(0, at + 1).join('/')])
    .filter((found) => found !== undefined);
  const plugin = Object.hasOwn(credentialTypes, type)
    ? credentialTypes[type as keyof typeof credentialTypes]
    : undefined;
  return [
    file.defaults,
    ...within,
    plugin?.policy,
    file.types?.[type],
    ...within.map((found) => found.types?.[type]),
  ];
}
