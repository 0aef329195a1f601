import { failure, validatePolicy } from '@keymesh/contracts';
import type { CommonOptions, Session } from './command.js';
import { whereInForce } from './in-force.js';
import { lineDiff } from './line-diff.js';
import { print, printJson } from './output.js';
import type { PolicyFile } from './policy-files.js';
import { findPolicy, writePolicy, type PolicyChange } from './written-policies.js';

/** Options of every command that changes policies. */
export interface ChangeOptions extends CommonOptions {
  readonly dryRun?: boolean;
}

/** What is to become of one policy. */
export interface Proposal {
  readonly policyId: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly twoPerson: boolean;
  /** What was looked at; null: there was none in force. */
  readonly basedOn: string | null;
}
/** What became of it. */
interface Outcome extends Partial<Pick<PolicyChange, 'bundleVersion' | 'inForce'>> {
  readonly policyId: string;
  readonly state: PolicyChange['state'] | 'unchanged' | 'proposed';
}

/** What a file proposes, against what is in force now. */
export async function proposalOf(
  session: Session,
  { policyId, cedar, twoPerson }: PolicyFile,
): Promise<Proposal> {
  const inForce = (await findPolicy(session, policyId))?.inForce ?? null;
  return {
    policyId,
    before: inForce?.cedar ?? null,
    after: cedar,
    // A text that says nothing of it leaves the mark as it is.
    twoPerson: twoPerson ?? inForce?.twoPerson ?? false,
    basedOn: inForce?.statementId ?? null,
  };
}

/** Shows every change; then writes those that are one. */
export async function carryOut(
  session: Session,
  proposals: readonly Proposal[],
  options: ChangeOptions,
): Promise<void> {
  const outcomes: Outcome[] = [];
  for (const proposal of proposals) {
    const { policyId, before, after } = proposal;
    if (before === after) {
      outcomes.push({ policyId, state: 'unchanged' });
      continue;
    }
    if (options.json !== true) print(`${policyId}:\n${lineDiff(before, after)}`);
    if (options.dryRun === true) {
      await askMesh(session, proposal);
      outcomes.push({ policyId, state: 'proposed' });
    } else outcomes.push(await writePolicy(session, { ...proposal, cedar: after }));
  }
  tellOutcomes(outcomes, options);
}

/** What the mesh would say of a text. @throws POLICY_INVALID */
async function askMesh(session: Session, { policyId, after }: Proposal): Promise<void> {
  if (after === null) return;
  const { problems } = await (await session.keymesh()).call(validatePolicy, { policyId, cedar: after });
  if (problems.length === 0) return;
  const lines = problems.map(
    ({ line, column, rule }) => `${policyId}:${String(line ?? 1)}:${String(column ?? 1)}: ${rule}`,
  );
  throw failure('POLICY_INVALID', { publicMessage: lines.join('\n') });
}

/** What became of changes, as a person or a program reads it. */
export function tellOutcomes(outcomes: readonly Outcome[], { json }: CommonOptions): void {
  if (json === true) {
    printJson(outcomes);
    return;
  }
  for (const { policyId, state, bundleVersion, inForce } of outcomes) {
    const how = {
      unchanged: 'as it is in force',
      proposed: 'would change',
      removed: 'removed',
      'in-force': 'written',
      waiting: `waits for a second person: keymesh policy confirm ${policyId}`,
    }[state];
    const where =
      bundleVersion === undefined ? '' : ` (bundle ${String(bundleVersion)}, ${whereInForce(inForce)})`;
    print(`${policyId}: ${how}${where}`);
  }
}
