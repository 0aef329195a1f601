import { readFile } from 'node:fs/promises';
import { ACTIONS, failure, policyRequest } from '@keymesh/contracts';
import { makeDecider, parsePolicies, type Policy, type Verdict } from '@keymesh/policy-engine';
import { z } from 'zod';

const { principal, resource, context } = policyRequest.shape;

/** What somebody asks, and what is to come of it. */
const policyCase = z.strictObject({
  name: z.string().min(1).optional(),
  principal: principal.extend({
    kind: principal.shape.kind.default('service'),
    roles: principal.shape.roles.default([]),
  }),
  action: z.enum(ACTIONS),
  resource: resource.extend({ attributes: resource.shape.attributes.default({}) }),
  context: context.default({}),
  effect: z.enum(['permit', 'forbid']),
  /** All that decided, in any order; absent: whichever. */
  determiningPolicies: z.array(z.string()).optional(),
});
export type PolicyCase = z.output<typeof policyCase>;

const caseFile = z.strictObject({ cases: z.array(policyCase).min(1) });

/** What came of a case. */
export interface CaseResult extends Verdict {
  readonly name: string;
  readonly passed: boolean;
  /** What was to come of it. */ readonly expected: Pick<PolicyCase, 'effect' | 'determiningPolicies'>;
}

/** Reads `{"cases": […]}`. @throws USAGE naming each field that is wrong */
export async function readPolicyCases(file: string): Promise<readonly PolicyCase[]> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw failure('USAGE', { publicMessage: `${file} cannot be read.` });
  });
  const parsed = caseFile.safeParse(jsonOf(text, file));
  if (parsed.success) return parsed.data.cases;
  const problems = parsed.error.issues.map(({ path, message }) => `${file}: ${path.join('.')}: ${message}`);
  throw failure('USAGE', { publicMessage: problems.join('\n') });
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw failure('USAGE', { publicMessage: `${file} is not JSON.` });
  }
}

/** Decides each case by exactly these policies. @throws POLICY_UNAVAILABLE when one does not parse */
export function runPolicyCases(
  policies: readonly Policy[],
  cases: readonly PolicyCase[],
): readonly CaseResult[] {
  const decider = makeDecider(parsePolicies(policies), 0);
  return cases.map(({ name, effect, determiningPolicies, ...request }, at) => {
    const verdict = decider.decide(policyRequest.parse(request));
    const isExpected =
      determiningPolicies === undefined ||
      JSON.stringify(determiningPolicies.toSorted()) === JSON.stringify(verdict.determiningPolicies);
    return {
      ...verdict,
      name: name ?? `case ${String(at + 1)}`,
      passed: verdict.effect === effect && isExpected,
      expected: { effect, ...(determiningPolicies === undefined ? {} : { determiningPolicies }) },
    };
  });
}
