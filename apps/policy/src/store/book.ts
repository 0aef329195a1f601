import { gzipSync } from 'node:zlib';
import { failure, type PolicyBundle, type TrustRoot } from '@keymesh/contracts';
import { DAY, type Clock, type SigningKey } from '@keymesh/kernel';
import {
  BUILT_IN_POLICIES,
  foldStatements,
  policySetOf,
  signBundle,
  type Directory,
} from '@keymesh/policy-engine';
import { inStore, once, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import { approvalsInForce } from '../domain/approvals.js';
import type { Change, Plan, PlanState, PolicyState, RequestKey } from '../domain/ports.js';
import { listAsked, pruneAsked, saveAsked, saveNotes } from './approval-rows.js';
import { insertRecords } from './audit-outbox.js';
import { insertKills, listKills } from './kill-rows.js';
import { isPolicySetOf, keepPolicySet } from './policy-history.js';
import * as rows from './policy-rows.js';
import { replaceShadow, shadowIn } from './shadow-rows.js';
import { endSessions, endSessionsOf, listSessions, pruneSessions, saveSessions } from './session-rows.js';

/** Requests for approval stay to be looked at for a while. */
export const ASKED_KEPT_MS = 30 * DAY;

export interface StoreOptions {
  readonly dataSource: DataSource;
  readonly trustRoot: TrustRoot;
  readonly bundleKey: SigningKey;
  readonly clock: Clock;
}

/** A bundle as it is in the store. */
export interface StoredBundle extends PolicyState {
  readonly bytes: Uint8Array;
}

export interface PolicyStore {
  /** The newest committed state; folds only what is new since the last look. `version` 0: there is nothing yet. */
  load(): Promise<StoredBundle>;
  /** The same unless that version is the newest: then undefined, for the price of one small query. */
  loadNewerThan(version: number): Promise<StoredBundle | undefined>;
  /** See {@link PolicyBook.change}, without publishing. @returns the newest bundle as of the commit. */
  change<Reply>(
    key: RequestKey | undefined,
    plan: (state: PlanState) => Plan<Reply>,
    atLeastVersion?: number,
  ): Promise<{ readonly reply: Reply; readonly bundle: StoredBundle }>;
  /** Whether the history says that this bundle decides by the policies that it would decide by if it were made now. */
  isPolicySetKept(bundle: StoredBundle): Promise<boolean>;
  prune(): Promise<void>;
}

/** Who may what, in Postgres: statements and takings are the truth, bundles are made of them. */
export function makePolicyStore(options: StoreOptions): PolicyStore {
  const { dataSource, trustRoot, clock } = options;
  // Verified statements are folded on; INVARIANT: only ever a prefix of what is committed.
  let folded: Directory = foldStatements(trustRoot, [], { clock });
  const load = async (manager: EntityManager): Promise<StoredBundle> => {
    const base = folded; // another load may put a longer one in its place while we wait
    const fresh = await rows.statementsAfter(manager, base.statements.length);
    const directory = fresh.length === 0 ? base : base.extend(fresh);
    const taken = await rows.listTaken(manager, clock.now());
    const bytes = (await rows.newestBundle(manager)) ?? new Uint8Array();
    const away = directory
      .withTaken(taken)
      .withKills(await listKills(manager))
      .withSessions(await listSessions(manager, clock.now()));
    const approvals = approvalsInForce(await listAsked(manager, clock.now()), clock.now());
    return { version: await rows.newestVersion(manager), directory: away.withApprovals(approvals), bytes };
  };
  const loadAlone = (): Promise<StoredBundle> =>
    transact(dataSource, async (manager) => {
      await rows.readOneMoment(manager);
      return load(manager);
    });
  const keep = (bundle: StoredBundle): StoredBundle => {
    if (bundle.directory.statements.length > folded.statements.length)
      folded = bundle.directory.withTaken([]);
    return bundle;
  };
  return {
    load: async () => keep(await loadAlone()),
    loadNewerThan: async (version) => {
      const newest = await inStore(() => rows.newestVersion(dataSource.manager));
      return newest > version ? keep(await loadAlone()) : undefined;
    },
    async change(key, plan, atLeastVersion = 0) {
      const { reply, bundle } = await transact(dataSource, async (manager) => {
        await rows.lockBook(manager);
        const before = await load(manager);
        let bundle = before;
        const work = async () => {
          const asked = await listAsked(manager, clock.now());
          const { change, records, reply, ...said } = plan({ ...before, asked });
          await saveAsked(manager, said.asked ?? []);
          await saveNotes(manager, said.notes ?? []);
          if (change !== undefined)
            bundle = await applyChange(options, manager, before, change, atLeastVersion);
          await insertRecords(manager, records);
          return reply(bundle.version);
        };
        const reply =
          key === undefined ? await work() : (await once(manager, key.principal, key.requestId, work)).reply;
        return { reply, bundle };
      });
      return { reply, bundle: keep(bundle) };
    },
    isPolicySetKept: ({ version, directory }) =>
      inStore(() => isPolicySetOf(dataSource.manager, version, policySetOf(builtIns(), directory).effective)),
    prune: () => transact(dataSource, (manager) => prune(manager, clock.now())),
  };
}

/** Forgets what has ended: bundles left it out already. */
async function prune(manager: EntityManager, nowMs: number): Promise<void> {
  await rows.pruneTaken(manager, nowMs);
  await pruneSessions(manager, nowMs);
  await pruneAsked(manager, nowMs - ASKED_KEPT_MS);
}

async function applyChange(
  { clock, bundleKey, trustRoot }: StoreOptions,
  manager: EntityManager,
  before: StoredBundle,
  { statements = [], taken = [], kills = [], sessions = [], endedSessions = [], shadow }: Change,
  atLeastVersion: number,
): Promise<StoredBundle> {
  await rows.appendStatements(manager, before.directory.statements.length, statements);
  for (const { principal, takings } of taken) {
    await rows.replaceTaken(manager, principal, takings);
    if (takings.some(({ status }) => status === 'disabled')) await endSessionsOf(manager, principal);
  }
  await endSessions(manager, endedSessions);
  await saveSessions(manager, sessions);
  await insertKills(manager, kills);
  if (shadow !== undefined) await replaceShadow(manager, shadow);
  const grown = statements.length === 0 ? before.directory : before.directory.extend(statements);
  const directory = grown
    .withTaken(await rows.listTaken(manager, clock.now()))
    .withKills(await listKills(manager))
    .withSessions(await listSessions(manager, clock.now()))
    .withApprovals(approvalsInForce(await listAsked(manager, clock.now()), clock.now()));
  const version = Math.max(before.version + 1, atLeastVersion);
  const payload: PolicyBundle = {
    v: 1,
    meshId: trustRoot.meshId,
    version,
    issuedAt: new Date(clock.now()).toISOString(),
    statements: [...directory.statements],
    policies: builtIns(),
    taken: [...directory.taken],
    ...(directory.kills.length === 0 ? {} : { kills: [...directory.kills] }),
    ...(await shadowIn(manager, directory)),
    ...sessionsIn(directory),
    ...(directory.approvals.length === 0 ? {} : { approvals: directory.approvals.map(({ text }) => text) }),
  };
  const bytes = signBundle(payload, bundleKey);
  const gives =
    statements.length + sessions.length > 0 || directory.approvals.length > before.directory.approvals.length;
  if (gives) checkSize(bytes);
  await rows.insertBundle(manager, version, bytes);
  await keepPolicySet(manager, version, policySetOf(payload.policies, directory).effective);
  return { version, directory, bytes };
}

const sessionsIn = (directory: Directory): Pick<PolicyBundle, 'sessions'> => {
  const sessions = directory.sessions();
  return sessions.length === 0 ? {} : { sessions: [...sessions] };
};

const builtIns = (): PolicyBundle['policies'] => BUILT_IN_POLICIES.map((policy) => ({ ...policy }));

/** The bus carries 1 MB of compressed bundle. INVARIANT: grants stop before that, so that there is always room to take away. */
const MAX_COMPRESSED_BYTES = 950_000;

/** @throws PAYLOAD_TOO_LARGE, before anything is committed. */
function checkSize(bytes: Uint8Array): void {
  if (bytes.length < MAX_COMPRESSED_BYTES || gzipSync(bytes).length < MAX_COMPRESSED_BYTES) return;
  throw failure('PAYLOAD_TOO_LARGE', {
    publicMessage:
      'Nothing more fits into the policy bundle of this mesh: about a thousand principals, or as many policies.',
  });
}
