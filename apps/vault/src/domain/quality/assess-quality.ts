import { failure, type Finding } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import type { Values } from '../parts.js';
import { checkParts } from '../types/check-values.js';
import type { CredentialTypePlugin, Inspection, PartSchema } from '../types/plugin.js';
import type { IsBreached } from './breached-file.js';
import type { IsCommon } from './common-passwords.js';
import { GENERAL_RULES, strictnessOf, type CredentialPolicy, type Rule } from './credential-policy.js';
import type { GuessBits } from './guessability.js';
import { looksLikeProvider } from './provider-patterns.js';
import { qualityScoreOf } from './quality-score.js';
import { measureStrength, type Strength } from './strength.js';

/** What judging needs of the world. */
export interface QualityPorts {
  readonly guessBits: GuessBits;
  readonly isCommon: IsCommon;
  /** Absent: no list was given. */
  readonly isBreached?: IsBreached | undefined;
}

export interface QualityQuestion {
  readonly plugin: CredentialTypePlugin;
  readonly values: Values;
  readonly policy: CredentialPolicy;
  readonly provider?: string | undefined;
  /** Texts that a guesser of a password tries first: the credential's name. */
  readonly known: readonly string[];
  /** Parts that the vault has made itself just now: random, so they are not judged. */
  readonly generated: readonly string[];
  readonly nowMs: number;
}

/** What is thought of a value. */
export interface Quality {
  /** 0 to 100; null where nothing can be judged. */
  readonly score: number | null;
  /** Errors first. */
  readonly findings: readonly Finding[];
  /** When the value itself ends, milliseconds since the epoch; null where that cannot be read. */
  readonly expiresAtMs: number | null;
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * Judges a value: its parts, what its type reads in it, its strength, and whether it is known to others. A value that breaks a rule is
 * data here; see {@link refuseWeak}.
 * @throws CREDENTIAL_EMPTY, CREDENTIAL_VALUES_INVALID, PAYLOAD_TOO_LARGE, UNAVAILABLE; nothing of the value is repeated.
 */
export async function assessQuality(ports: QualityPorts, question: QualityQuestion): Promise<Quality> {
  const { plugin, values, policy, nowMs } = question;
  checkParts(plugin, values);
  const inspection = plugin.inspect?.(values, nowMs) ?? {};
  const judged = await Promise.all(
    plugin.parts.filter((part) => isJudged(part, question)).map((part) => judgePart(ports, question, part)),
  );
  const broken = new Set([
    ...(inspection.broken ?? []),
    ...(isOver(inspection, nowMs) ? ['expired'] : []),
    ...(isForeign(question) ? ['provider-format'] : []),
    ...judged.flatMap((part) => part.broken),
  ]);
  const findings = toFindings(plugin, policy, broken);
  return {
    score: qualityScoreOf(weakest(judged, inspection, question), findings),
    findings,
    expiresAtMs: inspection.expiresAtMs ?? null,
    facts: inspection.facts ?? {},
  };
}

/** The findings of broken rules, as strict as the policy says, errors first. */
export function toFindings(
  { rules = [] }: Pick<CredentialTypePlugin, 'rules'>,
  policy: CredentialPolicy,
  broken: ReadonlySet<string>,
): Finding[] {
  const found = [...GENERAL_RULES, ...rules].filter(({ rule }) => broken.has(rule));
  return sorted(
    found.flatMap((rule: Rule): Finding[] => {
      const strictness = strictnessOf(policy, rule);
      if (strictness === 'off') return [];
      const advice = rule.advice.replace('{minLengthChars}', String(policy.minLengthChars));
      return [{ rule: rule.rule, severity: strictness === 'enforce' ? 'error' : 'warning', advice }];
    }),
  );
}

/** Errors first; otherwise in the order of the rules. */
export const sorted = (findings: readonly Finding[]): Finding[] =>
  [...findings].sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));

/** @throws CREDENTIAL_WEAK with all findings when one of them is an error. */
export function refuseWeak(findings: readonly Finding[]): void {
  if (findings.some(({ severity }) => severity === 'error'))
    throw failure('CREDENTIAL_WEAK', { details: { findings } });
}

const isJudged = ({ name, strength }: PartSchema, { values, generated }: QualityQuestion): boolean =>
  strength !== undefined && Object.hasOwn(values, name) && !generated.includes(name);

const isOver = ({ expiresAtMs }: Inspection, nowMs: number): boolean =>
  expiresAtMs !== undefined && expiresAtMs <= nowMs;

interface JudgedPart {
  readonly bits: number;
  readonly broken: readonly string[];
}

async function judgePart(
  ports: QualityPorts,
  { values, policy, known, plugin }: QualityQuestion,
  { name, strength }: PartSchema,
): Promise<JudgedPart> {
  // EXPOSE: measured in place; the rules that it breaks and a number of bits come out.
  const bytes = values[name]?.expose() ?? new Uint8Array();
  const measured = measureStrength(bytes);
  const texts = [...known.map(utf8), ...publicTexts(plugin, values)];
  const bits =
    (strength === 'chosen' ? await ports.guessBits(bytes, texts) : undefined) ?? measured.entropyBits;
  const isCommon = ports.isCommon(bytes);
  // A list that is switched off is not read.
  const isBreached = policy.rules.breached !== 'off' && ((await ports.isBreached?.(bytes)) ?? false);
  return {
    bits: isCommon || isBreached ? 0 : bits,
    broken: [
      ...weaknesses(measured, bits, policy),
      ...(isCommon ? ['common'] : []),
      ...(isBreached ? ['breached'] : []),
    ],
  };
}

function weaknesses(measured: Strength, bits: number, policy: CredentialPolicy): string[] {
  const holds: Readonly<Record<string, boolean>> = {
    'min-length': measured.lengthChars >= policy.minLengthChars,
    special: measured.special,
    number: measured.digit,
    upper: measured.upper,
    lower: measured.lower,
    'low-entropy': bits >= policy.minEntropyBits,
  };
  return Object.keys(holds).filter((rule) => holds[rule] === false);
}

/** The parts that are no secret and that a guesser knows, such as the user name. */
const publicTexts = ({ parts }: CredentialTypePlugin, values: Values): Uint8Array[] =>
  parts
    .filter(({ name, secret, maxBytes }) => !secret && maxBytes <= 1_024 && Object.hasOwn(values, name))
    // EXPOSE: no secret by the type's own word.
    .map(({ name }) => values[name]?.expose() ?? new Uint8Array());

function isForeign({ plugin, values, provider, generated }: QualityQuestion): boolean {
  const primary = values[plugin.primaryPart];
  if (primary === undefined || generated.includes(plugin.primaryPart)) return false;
  // EXPOSE: compared with the provider's pattern; a yes or no comes out.
  return looksLikeProvider(plugin.type, provider, primary.expose()) === false;
}

/** A value is as strong as its weakest part; undefined: nothing can be judged. */
function weakest(
  judged: readonly JudgedPart[],
  { securityBits }: Inspection,
  { plugin, generated }: QualityQuestion,
): number | undefined {
  const bits = judged.map((part) => part.bits);
  if (securityBits !== undefined) bits.push(securityBits);
  if (bits.length > 0) return Math.min(...bits);
  return generated.includes(plugin.primaryPart) ? Infinity : undefined;
}
