import { policyDecision, type listDecisions, type ReplyOf } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import { namesBeside, nextIndexOf, readRange, type DecisionEntry } from '../store/decisions.js';
import { findFirstIndexSince } from '../store/entries.js';
import type { AuthoriseAuditRead } from './authorise-audit-read.js';

export interface DecisionPorts {
  readonly dataSource: DataSource;
  readonly authorise: AuthoriseAuditRead;
}

type Reply = ReplyOf<typeof listDecisions>;
type Group = Reply['groups'][number];

/** Leaves in memory at a time, and entries that one request looks at. */
const PAGE = 2_000;
const ENTRIES_A_REQUEST = 10_000;
/** Of the reply's JSON: well below a message's 900 KiB. */
const MAX_REPLY_CHARS = 400 * 1024;

/**
 * Recorded decisions since a time, for deciding them again. Those of one part of the log that were recorded alike come once. Names only to
 * who may read the log: who may read policies alone gets ids.
 */
export const makeListDecisions =
  ({ dataSource, authorise }: DecisionPorts): Handler<typeof listDecisions> =>
  async ({ since, fromIndex, untilIndex: until }, call) => {
    const permitted = await authorise('listDecisions', call, ['audit.read', 'policy.read']);
    return await inStore(async () => {
      const { manager } = dataSource;
      const untilIndex = until ?? (await nextIndexOf(manager));
      const first = fromIndex ?? (await findFirstIndexSince(manager, Date.parse(since))) ?? untilIndex;
      const grouping = makeGrouping(Date.parse(since));
      const withNames = permitted === 'audit.read';
      const nextIndex = await readInto(grouping, manager, { first, untilIndex, withNames });
      return { ...grouping.result(), nextIndex: nextIndex < untilIndex ? nextIndex : null, untilIndex };
    });
  };

/** @returns where to go on. */
async function readInto(
  grouping: Grouping,
  manager: EntityManager,
  { first, untilIndex, withNames }: { first: number; untilIndex: number; withNames: boolean },
): Promise<number> {
  const end = Math.min(untilIndex, first + ENTRIES_A_REQUEST);
  for (let from = first; from < end; from += PAGE) {
    const to = Math.min(from + PAGE, end);
    const entries = await readRange(manager, from, to);
    const names = withNames ? await namesBeside(manager, from, to) : new Map<number, string>();
    const full = entries.find((entry) => !grouping.takes(entry, names.get(entry.index) ?? null));
    if (full !== undefined) return full.index;
  }
  return end;
}

interface Grouping {
  /** @returns false, changing nothing, when the reply is full. */
  takes(entry: DecisionEntry, name: string | null): boolean;
  result(): Pick<Reply, 'groups' | 'unreadable'>;
}

function makeGrouping(sinceMs: number): Grouping {
  const groups = new Map<string, Group | 'unreadable'>();
  let [chars, unreadable] = [0, 0];
  return {
    takes({ leaf, occurredAtMs }, name) {
      if (occurredAtMs < sinceMs) return true;
      const { time, decision } = JSON.parse(fromUtf8(leaf)) as { time: string; decision?: unknown };
      if (decision === undefined) return true;
      // Leaves are canonical, so equal decisions have one text.
      const key = JSON.stringify(decision);
      const known = groups.get(key);
      if (known === undefined && chars > 0 && chars + key.length > MAX_REPLY_CHARS) return false;
      if (known === undefined) chars += key.length;
      const group = joined(known, decision, time, name);
      groups.set(key, group);
      if (group === 'unreadable') unreadable += 1;
      return true;
    },
    result: () => ({ groups: [...groups.values()].filter((group) => group !== 'unreadable'), unreadable }),
  };
}

function joined(
  known: Group | 'unreadable' | undefined,
  decision: unknown,
  time: string,
  name: string | null,
): Group | 'unreadable' {
  if (known === 'unreadable') return known;
  if (known !== undefined)
    return {
      ...known,
      count: known.count + 1,
      firstAt: time < known.firstAt ? time : known.firstAt,
      lastAt: time > known.lastAt ? time : known.lastAt,
    };
  const parsed = policyDecision.safeParse(decision);
  if (!parsed.success) return 'unreadable';
  const isNamed = parsed.data.request.resource.kind === 'credential';
  return { decision: parsed.data, name: isNamed ? name : null, count: 1, firstAt: time, lastAt: time };
}
