import { KeymeshError, type Clock } from '@keymesh/kernel';
import {
  BUILT_IN_POLICIES,
  foldStatements,
  makePolicyEngine,
  type PolicyEngine,
} from '@keymesh/policy-engine';
import type { AuditRecord } from '@keymesh/contracts';
import { makeRecordMaker } from '../../src/domain/audit.js';
import type { AuditEntry, PolicyBook, PolicyState } from '../../src/domain/ports.js';
import { makeRefusals } from '../../src/domain/refusals.js';
import type { BookMesh } from './invitations.js';

const engines = new WeakMap<PolicyState, PolicyEngine>();
function engineOf(state: PolicyState): PolicyEngine {
  const known =
    engines.get(state) ??
    makePolicyEngine({ version: state.version, policies: [...BUILT_IN_POLICIES] }, state.directory);
  engines.set(state, known);
  return known;
}

/** The ports of the operations without Postgres or a bus: the same rules, in memory. */
export function makeFakePorts(mesh: BookMesh, clock: Clock) {
  let state: PolicyState = { version: 1, directory: foldStatements(mesh.trustRoot, mesh.genesis, { clock }) };
  const entries: AuditEntry[] = [];
  const cut: string[] = [];
  const replies = new Map<string, unknown>();
  let failing: KeymeshError | undefined;
  let refreshed = 0;
  const book: PolicyBook = {
    refresh: () => Promise.resolve(void (refreshed += 1)),
    current: () => ({ ...state, engine: engineOf(state) }),
    async change({ principal, requestId }, plan) {
      const key = `${principal} ${requestId}`;
      if (replies.has(key)) return replies.get(key) as never;
      const { change, records, reply } = plan(state);
      if (failing !== undefined) throw failing;
      if (change !== undefined) {
        const { statements = [], taken = [], kills = [] } = change;
        const replaced = new Set(taken.map(({ principal }) => principal));
        const kept = state.directory.taken.filter(({ principal }) => !replaced.has(principal));
        const directory = state.directory
          .extend(statements)
          .withTaken([...kept, ...taken.flatMap(({ takings }) => takings)])
          .withKills([...state.directory.kills, ...kills]);
        state = { version: state.version + 1, directory };
      }
      entries.push(...records);
      const answer = reply(state.version);
      replies.set(key, answer);
      return await Promise.resolve(answer);
    },
  };
  const record = (entry: AuditEntry): Promise<void> => {
    if (failing !== undefined) return Promise.reject(failing);
    entries.push(entry);
    return Promise.resolve();
  };
  const makeRecord = makeRecordMaker({ instance: 'spec', clock });
  return {
    book,
    record,
    makeRecord,
    refusals: makeRefusals({ record, clock, onLost: () => undefined }),
    clock,
    cutConnections: (principals: readonly string[]) => {
      cut.push(...principals);
      return Promise.resolve();
    },
    cutRemovedKeys: (principal: string, kept: readonly string[]) => {
      cut.push(`${principal} but ${kept.join(' ')}`);
      return Promise.resolve();
    },
    mesh: { meshId: mesh.trustRoot.meshId, meshPublicKey: mesh.trustRoot.meshPublicKey },
    // What specs look at.
    cut,
    entries,
    records: (type?: string): AuditRecord[] =>
      entries.map(({ record: made }) => made).filter((made) => type === undefined || made.type === type),
    statusOf: (name: string) => state.directory.find(name)?.status,
    state: () => state,
    refreshed: () => refreshed,
    failWith: (code: string | undefined) => {
      failing = code === undefined ? undefined : new KeymeshError(code);
    },
  };
}

export type FakePorts = ReturnType<typeof makeFakePorts>;
