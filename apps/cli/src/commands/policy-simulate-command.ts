import type { Keymesh } from '@keymesh/client';
import { failure } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import {
  BUILT_IN_POLICIES,
  makeSimulation,
  writtenPolicies,
  type ChangedDecision,
  type Decider,
  type SimulationResult,
} from '@keymesh/policy-engine';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { wholeNumber } from '../option-values.js';
import { note, print, printJson, table } from '../output.js';
import { readPolicyFiles } from '../policy-files.js';
import { makeProgress } from '../progress.js';
import { deciderOf, makeDecidersOfVersions, recordedDecisions } from '../recorded-decisions.js';

interface SimulateOptions extends CommonOptions {
  readonly days: string;
  readonly current?: boolean;
}

/** What a run comes to. */
interface Outcome extends SimulationResult {
  /** Records whose decision this release cannot read. */
  readonly unreadable: number;
}

/**
 * `policy simulate`: decisions of the last days, made again here. Nothing is sent to the mesh but the questions what was decided and
 * by which policies.
 */
export const simulateCommand = (): Command =>
  makeCommand(
    'simulate',
    'What would change: recorded decisions made again with these policies instead of those that operators wrote.',
    'keymesh policy simulate policies/ --days 14',
  )
    .argument('[path...]', '.cedar files, or folders of them: all that operators would have written')
    .option('--days <n>', 'decisions of the last so many days', '30')
    .option('--current', 'with the policies of then: everything must come out as it was recorded')
    .action(async (paths: readonly string[], options: SimulateOptions) => {
      await runCommand('policy simulate', options, async (session) => {
        const days = wholeNumber('--days', options.days);
        const isCurrent = options.current === true;
        if (isCurrent === paths.length > 0)
          throw failure('USAGE', { publicMessage: 'Name policy files or folders, or give --current.' });
        const proposed = isCurrent ? [] : await readPolicyFiles(paths);
        const keymesh = await session.keymesh();
        const since = new Date(Date.now() - days * DAY).toISOString();
        const outcome = isCurrent
          ? await replay(keymesh, since, await makeDecidersOfVersions(keymesh), 'exactly')
          : await replay(
              keymesh,
              since,
              always([...BUILT_IN_POLICIES, ...writtenPolicies(proposed)]),
              'effect',
            );
        if (options.json) printJson(asJson(outcome));
        else tell(outcome, since, isCurrent);
      });
    });

const always = (policies: Parameters<typeof deciderOf>[0]) => {
  const decider = deciderOf(policies);
  return () => Promise.resolve(decider);
};

async function replay(
  keymesh: Keymesh,
  since: string,
  deciderOfVersion: (bundleVersion: number) => Promise<Decider | undefined>,
  compare: 'exactly' | 'effect',
): Promise<Outcome> {
  let decider: Decider | undefined;
  const simulation = makeSimulation({ deciderOf: () => decider, compare });
  const progress = makeProgress('simulate');
  let unreadable = 0;
  for await (const part of recordedDecisions(keymesh, since)) {
    for (const group of part.groups) {
      decider = await deciderOfVersion(group.decision.bundleVersion);
      simulation.add(group);
    }
    unreadable += part.unreadable;
    progress.show(part.readIndex, part.untilIndex);
  }
  progress.end();
  return { ...simulation.result(), unreadable };
}

/** What could not be replayed is a key only where there is some. */
const asJson = ({ replayed, changed, unknown, unreadable }: Outcome) => ({
  replayed,
  changed,
  ...(unknown === 0 ? {} : { unknown }),
  ...(unreadable === 0 ? {} : { unreadable }),
});

function tell({ replayed, changed, unknown, unreadable }: Outcome, since: string, isCurrent: boolean): void {
  const decisions = changed.reduce((sum, { count }) => sum + count, 0);
  print(
    `${String(replayed)} decisions since ${since} made again: ${
      decisions > 0
        ? `${String(decisions)} ${isCurrent ? 'come out otherwise than they were recorded' : 'would change'}.`
        : isCurrent
          ? 'all come out as they were recorded.'
          : 'none would change.'
    }`,
  );
  if (changed.length > 0)
    print(
      table(changed.map(rowOf), [
        'principal',
        'action',
        'resource',
        'change',
        'count',
        'first',
        'last',
        'because',
      ]),
    );
  if (unknown > 0)
    note(`${String(unknown)} decisions are by bundles from before policies were kept: not made again.`);
  if (unreadable > 0) note(`${String(unreadable)} records hold decisions that this release cannot read.`);
}

const rowOf = ({
  principal,
  action,
  resource,
  from,
  to,
  because,
  count,
  firstAt,
  lastAt,
}: ChangedDecision) => ({
  ...{ principal, action, because, count, first: firstAt, last: lastAt },
  resource: resource.name ?? `${resource.kind} ${resource.id}`,
  change: from === to ? from : `${from} → ${to}`,
});
