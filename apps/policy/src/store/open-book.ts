import {
  subjectOfStatement,
  type AuditRecord,
  type BundleSession,
  type KillSwitch,
  type PolicyBundle,
} from '@keymesh/contracts';
import { readStatement, type Directory } from '@keymesh/policy-engine';
import type { MakeRecord } from '../domain/audit.js';
import type { AuditEntry, Change, PolicyState } from '../domain/ports.js';
import type { PolicyStore, StoredBundle } from './book.js';

/**
 * Brings in the statements of initialisation that are not there yet: all at the first start, later those that a new release added.
 * @returns the newest bundle. @throws STATEMENT_REJECTED when they are not of the mesh that the store is of.
 */
export async function importGenesis(
  store: PolicyStore,
  genesis: readonly string[],
  makeRecord: MakeRecord,
): Promise<StoredBundle> {
  const missing = ({ directory }: PolicyState) =>
    genesis.filter((text) => !directory.statements.includes(text));
  const before = await store.load();
  if (before.version > 0 && missing(before).length === 0) return before;
  const { bundle } = await store.change(undefined, (state) => {
    const statements = missing(state);
    state.directory.extend(statements);
    return {
      change: { statements },
      records: statements.map((text) => genesisRecord(text, makeRecord)),
      reply: () => null,
    };
  });
  return bundle;
}

function genesisRecord(text: string, makeRecord: MakeRecord): AuditEntry {
  const { statement } = readStatement(text);
  const facts: AuditRecord['facts'] = { genesis: true, statement: statement.type };
  return {
    record: makeRecord('principal.created', 'success', {
      principal: statement.issuer,
      subject: subjectOfStatement(statement),
      facts,
    }),
  };
}

/**
 * A restore takes access away by rows alone, because only we hold the bundle key: makes the bundle that says so.
 * @param published what the newest bundle takes away.
 * @returns that bundle, or undefined when the newest one says it all.
 */
export async function includeTakings(
  store: PolicyStore,
  newest: StoredBundle,
  published: Pick<Directory, 'taken' | 'kills' | 'sessions'>,
): Promise<StoredBundle | undefined> {
  const isPublished = (taking: PolicyBundle['taken'][number]): boolean =>
    published.taken.some(
      ({ principal, status, until }) =>
        principal === taking.principal && status === taking.status && until === taking.until,
    );
  const isSet = ({ killId }: KillSwitch): boolean => published.kills.some((kill) => kill.killId === killId);
  // A session that is in the bundle and not in the store was not restored: it may have been closed since.
  const isLive = ({ nkey }: BundleSession): boolean => newest.directory.findSession(nkey) !== undefined;
  const saysAll =
    newest.directory.taken.every(isPublished) &&
    newest.directory.kills.every(isSet) &&
    published.sessions().every(isLive);
  if (saysAll) return undefined;
  const { bundle } = await store.change(undefined, () => ({ change: {}, records: [], reply: () => null }));
  return bundle;
}

/**
 * A release may bring other built-in policies, and a bundle may be from before the history of policies was kept: makes a bundle whose
 * policies are known, so that what is decided by it can be decided again.
 * @returns that bundle, or undefined when those of the newest one are known.
 */
export async function includeBuiltIns(
  store: PolicyStore,
  newest: StoredBundle,
): Promise<StoredBundle | undefined> {
  if (await store.isPolicySetKept(newest)) return undefined;
  const { bundle } = await store.change(undefined, () => ({ change: {}, records: [], reply: () => null }));
  return bundle;
}

/**
 * The bucket is ahead of the store: somebody put the database back to an older backup, or used our bundle key. The services refuse lower
 * versions, and rightly so; we take from the bucket what operators signed and what was taken away, and go on above its version.
 * @returns the newest bundle, or undefined when the store is not behind.
 */
export async function catchUp(store: PolicyStore, ahead: PolicyBundle): Promise<StoredBundle | undefined> {
  const stored = await store.load();
  if (stored.version >= ahead.version) return undefined;
  const { bundle } = await store.change(
    undefined,
    (state) => ({ change: differenceTo(ahead, state), records: [], reply: () => null }),
    ahead.version + 1,
  );
  return bundle;
}

function differenceTo(ahead: PolicyBundle, { directory }: PolicyState): Change {
  const principals = new Set([...ahead.taken, ...directory.taken].map(({ principal }) => principal));
  return {
    statements: furtherStatements(ahead, directory),
    kills: ahead.kills ?? [],
    // Both lists: in doubt more is taken away; an operator gives it back.
    taken: [...principals].map((principal) => ({
      principal,
      takings: strictest(principal, [...directory.taken, ...ahead.taken]),
    })),
  };
}

/** None when they do not go on from ours, or do not hold: then somebody used our bundle key, and nobody opened that bundle. */
function furtherStatements(ahead: PolicyBundle, directory: Directory): readonly string[] {
  const known = directory.statements;
  if (!known.every((text, index) => ahead.statements[index] === text)) return [];
  const further = ahead.statements.slice(known.length);
  try {
    directory.extend(further);
    return further;
  } catch {
    return [];
  }
}

function strictest(principal: string, taken: PolicyBundle['taken']): PolicyBundle['taken'] {
  const own = taken.filter((taking) => taking.principal === principal);
  const disabled = own.find(({ status }) => status === 'disabled');
  const endOf = (until: string | null): number => (until === null ? Infinity : Date.parse(until));
  const locks = own
    .filter(({ status }) => status === 'locked')
    .sort((a, b) => endOf(b.until) - endOf(a.until));
  return [disabled, locks[0]].filter((taking) => taking !== undefined);
}
