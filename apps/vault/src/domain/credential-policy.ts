import { failure, type Finding } from '@keymesh/contracts';
import { DAY, type Secret } from '@keymesh/kernel';
import { measureStrength, type Strength } from './strength.js';

/** The default credential policy. Lengths in characters. */
export const CREDENTIAL_POLICY = {
  minLengthChars: 12,
  minEntropyBits: 36,
  rotationIntervalSeconds: 30 * 86_400,
  maxAgeMs: 90 * DAY,
} as const;

/** How a type takes a rule: refuse the value, store it with a warning, or do not look. */
export type Strictness = 'enforce' | 'warn' | 'off';
export interface StrengthRules {
  readonly length: Strictness;
  /** Character classes: special, number, upper, lower. */
  readonly classes: Strictness;
  readonly entropy: Strictness;
}

interface Rule {
  readonly rule: string;
  readonly kind: keyof StrengthRules;
  readonly holds: (strength: Strength) => boolean;
  readonly advice: string;
}

// INVARIANT: advice is fixed text; nothing of the value, not even its length, is repeated.
const RULES: readonly Rule[] = [
  {
    rule: 'min-length',
    kind: 'length',
    holds: ({ lengthChars }) => lengthChars >= CREDENTIAL_POLICY.minLengthChars,
    advice: `Use at least ${CREDENTIAL_POLICY.minLengthChars} characters.`,
  },
  {
    rule: 'special',
    kind: 'classes',
    holds: ({ special }) => special,
    advice: 'Add a special character, such as ! or -.',
  },
  { rule: 'number', kind: 'classes', holds: ({ digit }) => digit, advice: 'Add a digit.' },
  { rule: 'upper', kind: 'classes', holds: ({ upper }) => upper, advice: 'Add an upper-case letter.' },
  { rule: 'lower', kind: 'classes', holds: ({ lower }) => lower, advice: 'Add a lower-case letter.' },
  {
    rule: 'low-entropy',
    kind: 'entropy',
    holds: ({ entropyBits }) => entropyBits >= CREDENTIAL_POLICY.minEntropyBits,
    advice: 'It is easy to guess: avoid common words, repeats and runs, or let Keymesh generate the value.',
  },
];

/** What the policy says about a value, errors first. An empty list means that it has nothing to say. */
export function findWeaknesses(value: Secret, rules: StrengthRules): Finding[] {
  // EXPOSE: measured in place; only fixed rule names come out.
  const strength = measureStrength(value.expose());
  const broken = RULES.filter((rule) => rules[rule.kind] !== 'off' && !rule.holds(strength));
  const findings = broken.map(({ rule, kind, advice }): Finding => ({
    rule,
    severity: rules[kind] === 'enforce' ? 'error' : 'warning',
    advice,
  }));
  return findings.sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}

/** @throws CREDENTIAL_WEAK with the findings when one of them is an error. */
export function refuseWeak(findings: readonly Finding[]): void {
  if (findings.some(({ severity }) => severity === 'error')) {
    throw failure('CREDENTIAL_WEAK', { details: { findings } });
  }
}
