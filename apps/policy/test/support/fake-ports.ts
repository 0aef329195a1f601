import { KeymeshError, type Clock } from '@keymesh/kernel';
import { makeFailedAttempts } from '@keymesh/mesh';
import {
  BUILT_IN_POLICIES,
  foldStatements,
  makePolicyEngine,
  type PolicyEngine,
} from '@keymesh/policy-engine';
import type { AuditRecord } from '@keymesh/contracts';
import { makeAskPolicy } from '@keymesh/service-kit';
import { bookPolicy } from '../../src/domain/authorize.js';
import { makeRecordMaker } from '../../src/domain/audit.js';
import { approvalsInForce, type AskedApproval } from '../../src/domain/approvals.js';
import type { AuditEntry, BreakGlassNote, PolicyBook, PolicyState } from '../../src/domain/ports.js';
import { makeConnectionAttempts, TOKEN_RULE } from '../../src/domain/failed-attempts.js';
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
  const asked = new Map<string, AskedApproval>();
  const notes = new Map<string, BreakGlassNote>();
  const cut: string[] = [];
  const risks = new Map<string, number>();
  const replies = new Map<string, unknown>();
  let failing: KeymeshError | undefined;
  let refreshed = 0;
  const book: PolicyBook = {
    refresh: () => Promise.resolve(void (refreshed += 1)),
    current: () => ({ ...state, engine: engineOf(state) }),
    async change({ principal, requestId }, plan) {
      const key = `${principal} ${requestId}`;
      if (replies.has(key)) return replies.get(key) as never;
      const open = [...asked.values()].filter(({ expiresAt }) => Date.parse(expiresAt) > clock.now());
      const { change, records, reply, ...said } = plan({ ...state, asked: open });
      if (failing !== undefined) throw failing;
      for (const one of said.asked ?? []) asked.set(one.approvalId, one);
      for (const { openingId, reason, finding } of said.notes ?? []) {
        const known = notes.get(openingId);
        const merged = {
          reason: reason ?? known?.reason ?? null,
          finding: finding ?? known?.finding ?? null,
        };
        notes.set(openingId, { openingId, ...merged });
      }
      if (change !== undefined) {
        const { statements = [], taken = [], kills = [], sessions = [], endedSessions = [] } = change;
        const replaced = new Set(taken.map(({ principal }) => principal));
        const kept = state.directory.taken.filter(({ principal }) => !replaced.has(principal));
        const directory = state.directory
          .extend(statements)
          .withTaken([...kept, ...taken.flatMap(({ takings }) => takings)])
          .withKills([...state.directory.kills, ...kills])
          .withSessions([
            ...state.directory
              .sessions()
              .filter(({ nkey }) => ![...endedSessions, ...sessions.map((one) => one.nkey)].includes(nkey)),
            ...sessions,
          ])
          .withApprovals(approvalsInForce([...asked.values()], clock.now()));
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
  const refusals = makeRefusals({ record, clock, onLost: () => undefined });
  const tokenCounts = makeFailedAttempts({ clock, ...TOKEN_RULE });
  const closed: string[] = [];
  return {
    book,
    askPolicy: makeAskPolicy(bookPolicy(book, clock), { riskOf: (name) => risks.get(name) }),
    risks,
    record,
    makeRecord,
    listAsked: () => Promise.resolve([...asked.values()]),
    listNotes: () => Promise.resolve(notes),
    refusals,
    attempts: makeConnectionAttempts({
      clock,
      refusals,
      makeRecord,
      tokens: {
        failed: (key) => Promise.resolve(tokenCounts.failed(key)),
        isLockedOut: (key) => Promise.resolve(tokenCounts.isLockedOut(key)),
      },
      onFailed: () => undefined,
      onLost: () => undefined,
    }),
    closeTokenConnections: (principal: string) => void closed.push(principal),
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
    closed,
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
