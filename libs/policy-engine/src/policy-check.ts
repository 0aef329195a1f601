import { validate, policyToJson, type DetailedError } from '@cedar-policy/cedar-wasm/nodejs';
import { fromUtf8, utf8 } from '@keymesh/kernel';
import type { Policy } from './built-in-policies.js';
import { CEDAR_SCHEMA } from './cedar-schema.js';

/** Why a policy is not fit to decide, and where. */
export interface PolicyProblem {
  readonly policyId: string;
  /** From 1; columns in UTF-16 units, as editors count. Null where Cedar names no place. */
  readonly line: number | null;
  readonly column: number | null;
  /** The rule that it breaks, in Cedar's words. Quotes the policy, never a request. */
  readonly rule: string;
}

/** What a text says of itself in annotations; undefined where it does not. */
export interface PolicyAnnotations {
  /** `@id("…")` */ readonly id?: string | undefined;
  /** `@twoPerson("true")` or `("false")` */ readonly twoPerson?: boolean | undefined;
}

/**
 * Checks that a text is exactly one static policy and valid, in Cedar's strict mode, against the schema: it cannot err for an attribute that
 * is not there, names no attribute or action that there is not, and can apply to something. Policies are valid one by one: no other
 * policy can make one invalid.
 * @returns what is wrong, in the order of the text; empty when it is fit to decide.
 */
export function checkPolicy({ id, cedar }: Policy): readonly PolicyProblem[] {
  const placed = (errors: readonly DetailedError[]): readonly PolicyProblem[] =>
    distinct(errors.map((error) => problemOf(id, cedar, error)));
  const parsed = policyToJson(cedar);
  if (parsed.type === 'failure') return placed(parsed.errors);
  const answer = validate({ schema: CEDAR_SCHEMA, policies: { staticPolicies: { [id]: cedar } } });
  if (answer.type === 'failure') return placed(answer.errors);
  // A warning is of a policy that can never apply, or of letters made to be mistaken for others: neither is meant.
  return placed([...answer.validationErrors, ...answer.validationWarnings].map(({ error }) => error));
}

/** Checks several; in their order. */
export const checkPolicies = (policies: readonly Policy[]): readonly PolicyProblem[] =>
  policies.flatMap(checkPolicy);

/** @returns what a text says of itself; undefined when it is not one static policy. */
export function readAnnotations(cedar: string): PolicyAnnotations | undefined {
  const parsed = policyToJson(cedar);
  if (parsed.type === 'failure') return undefined;
  const { id, twoPerson } = parsed.json.annotations ?? {};
  return { id, ...(twoPerson === undefined ? {} : { twoPerson: twoPerson === 'true' }) };
}

/** `<policy id>:<line>:<column>: <rule>` */
export const tellProblem = ({ policyId, line, column, rule }: PolicyProblem): string =>
  `${policyId}${line === null ? '' : `:${String(line)}:${String(column)}`}: ${rule}`;

function problemOf(
  policyId: string,
  cedar: string,
  { message, help, sourceLocations }: DetailedError,
): PolicyProblem {
  const [place] = sourceLocations ?? [];
  const label = place?.label ?? null;
  const plain = message
    .replace(`for policy \`${policyId}\`, `, '')
    // The context is the same for every action; which one Cedar looked at first tells nothing.
    .replace(/ in context for Keymesh::Action::"[^"]*"/, ' of the context');
  const rule = [plain, label, help].filter((text) => text !== null).join('; ');
  return { policyId, ...placeOf(cedar, place?.start), rule };
}

// Cedar counts bytes of UTF-8.
function placeOf(cedar: string, start: number | undefined): Pick<PolicyProblem, 'line' | 'column'> {
  if (start === undefined) return { line: null, column: null };
  const before = fromUtf8(utf8(cedar).subarray(0, start)).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

/** The same fault is found once for each action and kind of resource: told once for its place. */
function distinct(problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  const places = new Map<string, PolicyProblem>();
  for (const problem of problems) {
    const place = problem.line === null ? problem.rule : `${String(problem.line)}:${String(problem.column)}`;
    if (!places.has(place)) places.set(place, problem);
  }
  return [...places.values()].sort(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
}
