import { failure } from '@keymesh/contracts';
import type { Command } from 'commander';
import { makeCommand, runCommand } from '../command.js';
import { lineDiff } from '../line-diff.js';
import { print, printJson } from '../output.js';
import { readPolicyFiles } from '../policy-files.js';
import {
  carryOut,
  proposalOf,
  tellOutcomes,
  type ChangeOptions,
  type Proposal,
} from '../policy-proposals.js';
import { agreeTo, requirePolicy, type DescribedPolicy } from '../written-policies.js';

const DRY_RUN = ['--dry-run', 'show what would change, and change nothing'] as const;

/** `policy put`: each file becomes the policy of its id. */
export const putCommand = (): Command =>
  makeCommand(
    'put',
    'Write policies, signed by your own key. Shows what changes against what is in force.',
    'keymesh policy put policies/ --dry-run',
  )
    .argument('<path...>', '.cedar files, one policy each, or folders of them')
    .option(...DRY_RUN)
    .action(async (paths: readonly string[], options: ChangeOptions) => {
      await runCommand('policy put', options, async (session) => {
        const proposals: Proposal[] = [];
        for (const file of await readPolicyFiles(paths)) proposals.push(await proposalOf(session, file));
        await carryOut(session, proposals, options);
      });
    });

/** `policy remove`. */
export const removeCommand = (): Command =>
  makeCommand('remove', 'Remove a policy, signed by your own key.', 'keymesh policy remove old-exception')
    .argument('<id>')
    .option(...DRY_RUN)
    .action(async (policyId: string, options: ChangeOptions) => {
      await runCommand('policy remove', options, async (session) => {
        const { inForce } = await requirePolicy(session, policyId);
        if (inForce === null) throw failure('POLICY_NOT_FOUND');
        const { cedar: before, twoPerson, statementId: basedOn } = inForce;
        await carryOut(session, [{ policyId, before, after: null, twoPerson, basedOn }], options);
      });
    });

/** `policy rollback`: an earlier text again, as a new version. */
export const rollbackCommand = (): Command =>
  makeCommand(
    'rollback',
    'Write an earlier text of a policy again, signed by your own key.',
    'keymesh policy rollback prod-needs-approval',
  )
    .argument('<id>')
    .option('--to <statement>', 'statement id of the version, or its beginning (default: the one before)')
    .option(...DRY_RUN)
    .action(async (policyId: string, options: ChangeOptions & { readonly to?: string }) => {
      await runCommand('policy rollback', options, async (session) => {
        const described = await requirePolicy(session, policyId);
        const { cedar: after, twoPerson } = versionOf(described, options.to);
        const { cedar: before = null, statementId: basedOn = null } = described.inForce ?? {};
        const isMarked = described.inForce?.twoPerson ?? twoPerson;
        await carryOut(session, [{ policyId, before, after, twoPerson: isMarked, basedOn }], options);
      });
    });

/** `policy confirm`: the second person. */
export const confirmCommand = (): Command =>
  makeCommand(
    'confirm',
    'Agree to a change that waits, as the second person. Shows it first; with --dry-run does nothing else.',
    'keymesh policy confirm prod-needs-approval',
  )
    .argument('<id>')
    .option('--change <statement>', 'agree to this one only, as --dry-run named it')
    .option(...DRY_RUN)
    .action(async (policyId: string, options: ChangeOptions & { readonly change?: string }) => {
      await runCommand('policy confirm', options, async (session) => {
        const { inForce, waiting } = await requirePolicy(session, policyId);
        if (waiting === null || (options.change ?? waiting.statementId) !== waiting.statementId)
          throw failure('POLICY_NOT_FOUND', {
            publicMessage: 'No such change of this policy waits. See `keymesh policy list`.',
          });
        const { statementId: change, setBy } = waiting;
        if (options.json !== true) {
          print(`change ${change} by ${setBy}:`);
          print(lineDiff(inForce?.cedar ?? null, waiting.cedar));
        }
        if (options.dryRun === true) {
          if (options.json) printJson(waiting);
          return;
        }
        tellOutcomes([await agreeTo(session, policyId, change)], options);
      });
    });

/** The version that `--to` names, or the newest text before the one in force. */
function versionOf({ history, inForce }: DescribedPolicy, to: string | undefined) {
  const applied = history.filter(({ state, cedar }) => state === 'replaced' && cedar !== null);
  const earlier = applied.filter(({ cedar }) => cedar !== inForce?.cedar);
  const found =
    to === undefined ? earlier.slice(0, 1) : history.filter(({ statementId }) => statementId.startsWith(to));
  const [version, ...others] = found;
  if (version === undefined || others.length > 0)
    throw failure('USAGE', {
      publicMessage: 'There is no such version, or more than one. See `keymesh policy show ID --history`.',
    });
  return version;
}
