import { failure } from '@keymesh/contracts';
import { BUILT_IN_POLICIES, writtenPolicies, type Policy } from '@keymesh/policy-engine';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { print, printJson } from '../output.js';
import { readPolicyCases, runPolicyCases, type CaseResult } from '../policy-cases.js';
import { readPolicyFiles } from '../policy-files.js';
import { allPolicies } from '../written-policies.js';

interface TestOptions extends CommonOptions {
  readonly policies?: readonly string[];
  readonly mesh?: boolean;
}

/** `policy test`: cases decided by the built-in policies and those given, here, or by those in force. */
export const testCommand = (): Command =>
  makeCommand(
    'test',
    'Decide cases by the built-in policies and those given, here; with --mesh also by those in force, which files of the same id replace.',
    'keymesh policy test cases.json --policies policies/',
  )
    .argument(
      '<file>',
      'JSON: {"cases": [{principal, action, resource, context, effect, determiningPolicies}]}',
    )
    .option('--policies <path...>', '.cedar files, or folders of them')
    .option('--mesh', 'with the policies in force')
    .action(async (file: string, options: TestOptions) => {
      await runCommand('policy test', options, async (session) => {
        const cases = await readPolicyCases(file);
        const results = runPolicyCases(await policiesOf(session, options), cases);
        if (options.json) printJson(results);
        else for (const result of results) print(tell(result));
        const failed = results.filter(({ passed }) => !passed).length;
        if (failed > 0)
          throw failure('POLICY_TEST_FAILED', {
            publicMessage: `${String(failed)} of ${String(results.length)} cases came out otherwise.`,
          });
      });
    });

async function policiesOf(
  session: Session,
  { policies = [], mesh }: TestOptions,
): Promise<readonly Policy[]> {
  const given = policies.length === 0 ? [] : await readPolicyFiles(policies);
  const inForce = mesh === true ? await allPolicies(session) : [];
  const kept = inForce.filter(({ policyId }) => given.every((file) => file.policyId !== policyId));
  return [...BUILT_IN_POLICIES, ...writtenPolicies([...kept, ...given])];
}

function tell({ name, passed, effect, determiningPolicies, errors, expected }: CaseResult): string {
  const by = determiningPolicies.length === 0 ? 'no policy' : determiningPolicies.join(', ');
  const came = `${effect} by ${by}${errors.length === 0 ? '' : `; ${errors.join('; ')}`}`;
  if (passed) return `✓ ${name}: ${came}`;
  const wanted =
    expected.determiningPolicies === undefined
      ? ''
      : ` by ${expected.determiningPolicies.join(', ') || 'no policy'}`;
  return `✗ ${name}: ${came}; expected ${expected.effect}${wanted}`;
}
