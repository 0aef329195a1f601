import type { AT_EXPIRY, STRICTNESSES } from '@keymesh/contracts';
import { DAY, SECOND } from '@keymesh/kernel';

/** How a rule is taken: refuse the value, store it with a warning, or do not look. */
export type Strictness = (typeof STRICTNESSES)[number];

/** A rule about values. */
export interface Rule {
  /** Kebab case; what a finding and the policy file call it. */
  readonly rule: string;
  readonly strictness: Strictness;
  /** INVARIANT: fixed text; nothing of the value, not even its length, is repeated. `{minLengthChars}`: the policy's. */
  readonly advice: string;
}

/** The rules that every type knows. */
export const GENERAL_RULES = [
  { rule: 'min-length', strictness: 'enforce', advice: 'Use at least {minLengthChars} characters.' },
  { rule: 'special', strictness: 'enforce', advice: 'Add a special character, such as ! or -.' },
  { rule: 'number', strictness: 'enforce', advice: 'Add a digit.' },
  { rule: 'upper', strictness: 'enforce', advice: 'Add an upper-case letter.' },
  { rule: 'lower', strictness: 'enforce', advice: 'Add a lower-case letter.' },
  {
    rule: 'low-entropy',
    strictness: 'enforce',
    advice:
      'It is easy to guess: avoid names, common words, repeats and runs, or let Keymesh generate the value.',
  },
  {
    rule: 'common',
    strictness: 'enforce',
    advice:
      'It is on the list of passwords that attackers try first. Take another one, or let Keymesh generate it.',
  },
  {
    rule: 'breached',
    strictness: 'enforce',
    advice: 'It was seen in a published leak. Take another one, and replace it wherever else it is used.',
  },
  {
    rule: 'reused',
    strictness: 'warn',
    advice:
      'Another credential of this namespace has the same value. Give each its own, so that one leak stays one leak.',
  },
  {
    rule: 'repeated',
    strictness: 'warn',
    advice: 'This credential had the same value before. A new version should have a new value.',
  },
  {
    rule: 'provider-format',
    strictness: 'warn',
    advice:
      "It does not look like what this provider issues. Check that nothing is missing and that it is the provider's.",
  },
  {
    rule: 'expired',
    strictness: 'warn',
    advice: 'Its time is over already. Store one that is still valid.',
  },
] as const satisfies readonly Rule[];

/** What becomes of an expired value: handed out and marked as such, or refused. */
export type AtExpiry = (typeof AT_EXPIRY)[number];

/** What the policy says, whatever the type or namespace; undefined fields leave it to the layer below. */
export interface CredentialPolicyLayer {
  readonly minLengthChars?: number | undefined;
  readonly minEntropyBits?: number | undefined;
  /** Null: versions do not grow old. */
  readonly maxAgeDays?: number | null | undefined;
  readonly rotationIntervalDays?: number | undefined;
  readonly atExpiry?: AtExpiry | undefined;
  readonly rules?: Readonly<Record<string, Strictness>> | undefined;
}

/** The credential policy as it holds for one namespace and type. */
export interface CredentialPolicy {
  readonly minLengthChars: number;
  readonly minEntropyBits: number;
  readonly maxAgeDays: number | null;
  readonly rotationIntervalDays: number;
  readonly atExpiry: AtExpiry;
  /** A rule that is not named is taken as it says of itself. */
  readonly rules: Readonly<Record<string, Strictness>>;
}

/**
 * The port of the credential policy. @param namespace e.g. `billing/eu`. Synchronous: asked on every read.
 * Never throws: whoever supplies the policy has checked it.
 */
export type CredentialPolicyOf = (namespace: string, type: string) => CredentialPolicy;

/** What holds where nothing else is said. 36 bits: more than ten thousand million guesses. */
export const DEFAULT_CREDENTIAL_POLICY: CredentialPolicy = {
  minLengthChars: 12,
  minEntropyBits: 36,
  maxAgeDays: 90,
  rotationIntervalDays: 30,
  atExpiry: 'serve',
  rules: {},
};

/** Lays one layer over another; rules one by one. */
export const overlay = (
  below: CredentialPolicy,
  above: CredentialPolicyLayer | undefined,
): CredentialPolicy => ({
  minLengthChars: above?.minLengthChars ?? below.minLengthChars,
  minEntropyBits: above?.minEntropyBits ?? below.minEntropyBits,
  maxAgeDays: above?.maxAgeDays === undefined ? below.maxAgeDays : above.maxAgeDays,
  rotationIntervalDays: above?.rotationIntervalDays ?? below.rotationIntervalDays,
  atExpiry: above?.atExpiry ?? below.atExpiry,
  rules: { ...below.rules, ...above?.rules },
});

export const strictnessOf = (policy: CredentialPolicy, rule: Rule): Strictness =>
  policy.rules[rule.rule] ?? rule.strictness;

/** How old a version may get, in milliseconds; null: as old as it likes. */
export const maxAgeMsOf = ({ maxAgeDays }: CredentialPolicy): number | null =>
  maxAgeDays === null ? null : maxAgeDays * DAY;

/** Between two rotations, in whole seconds. */
export const intervalSecondsOf = ({ rotationIntervalDays }: CredentialPolicy): number =>
  Math.round((rotationIntervalDays * DAY) / SECOND);
