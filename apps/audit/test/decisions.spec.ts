import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Action, AuditRecord, listDecisions, ReplyOf } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { expectCode } from '@keymesh/testing';
import { makeFindDecision } from '../src/operations/find-decision.js';
import { makeListDecisions } from '../src/operations/list-decisions.js';
import { deliver, makeProducer, makeRecord } from './records.js';
import { startLedgerDatabase, type LedgerDatabase } from './support/ledger-database.js';

let on: LedgerDatabase;
let permitted: Action = 'audit.read';
let producer: ReturnType<typeof makeProducer>;
const call = {} as Call;
const ports = () => ({ dataSource: on.dataSource, authorise: () => Promise.resolve(permitted) });
const inLedger: AuditRecord[] = [];

/** A record of a decision on one of a few credentials. Every record has the name `billing/stripe` beside it (records.ts). */
function decided(at: string, change: { id?: string; pad?: string; kind?: 'credential' | 'namespace' } = {}) {
  const record = makeRecord({ time: at });
  const { id = 'c1', pad, kind = 'credential' } = change;
  const { request } = record.decision!;
  request.resource = {
    kind,
    id,
    attributes: { namespace: 'default', ...(pad === undefined ? {} : { pad }) },
  };
  return record;
}
async function integrate(records: readonly AuditRecord[]): Promise<void> {
  inLedger.push(...records);
  for (let from = 0; from < records.length; from += 200)
    await on.makeWriter().integrate([deliver(producer.pack(records.slice(from, from + 200)))]);
}

beforeAll(async () => {
  on = await startLedgerDatabase();
  producer = makeProducer('vault', { key: on.key });
}, 60_000);
afterAll(() => on.stop());

/** All parts, as whoever asks puts them together. */
async function listAll(since: string) {
  const list = makeListDecisions(ports());
  const parts: ReplyOf<typeof listDecisions>[] = [];
  let [fromIndex, untilIndex]: [number | undefined, number | undefined] = [undefined, undefined];
  for (;;) {
    const part: ReplyOf<typeof listDecisions> = await list({ since, fromIndex, untilIndex }, call);
    parts.push(part);
    if (part.nextIndex === null) return parts;
    [fromIndex, untilIndex] = [part.nextIndex, part.untilIndex];
  }
}

describe('recorded decisions', () => {
  it('come once where they were recorded alike, with how often and from when to when', async () => {
    await integrate([
      decided('2026-10-01T00:00:00.000Z'),
      decided('2026-11-20T10:00:00.000Z'),
      decided('2026-11-20T12:00:00.000Z'),
      decided('2026-11-20T11:00:00.000Z', { id: 'c2' }),
      decided('2026-11-20T09:00:00.000Z'),
      decided('2026-11-20T09:30:00.000Z', { kind: 'namespace' }),
      makeRecord({ time: '2026-11-20T10:00:00.000Z', decision: undefined }),
    ]);
    const parts = await listAll('2026-11-01T00:00:00.000Z');
    expect(parts).toHaveLength(1);
    expect(parts[0]).toMatchObject({ unreadable: 0, nextIndex: null, untilIndex: 7 });
    expect(
      parts[0]!.groups.map(({ decision, name, count, firstAt, lastAt }) => [
        `${decision.request.resource.kind} ${decision.request.resource.id}`,
        ...[name, count, firstAt.slice(11, 16), lastAt.slice(11, 16)],
      ]),
    ).toEqual([
      ['credential c1', 'billing/stripe', 3, '09:00', '12:00'],
      ['credential c2', 'billing/stripe', 1, '11:00', '11:00'],
      // What was not there is decided as its namespace: names of many things would stand beside that.
      ['namespace c1', null, 1, '09:30', '09:30'],
    ]);
  });

  it('have no names for whoever may read policies but not the log', async () => {
    permitted = 'policy.read';
    const [part] = await listAll('2026-11-01T00:00:00.000Z');
    expect(part!.groups.map(({ name }) => name)).toEqual([null, null, null]);
    permitted = 'audit.read';
  });

  it('come in parts that fit into a message, none lost and none twice', async () => {
    const before = inLedger.length;
    const many = Array.from({ length: 2_600 }, (_, n) =>
      decided('2026-12-01T00:00:00.000Z', { id: `m${n}`, pad: n % 3 === 0 ? 'x'.repeat(900) : '' }),
    );
    await integrate(many);
    const parts = await listAll('2026-12-01T00:00:00.000Z');
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(JSON.stringify(part).length).toBeLessThan(900 * 1024);
    const ids = parts.flatMap(({ groups }) => groups.map(({ decision }) => decision.request.resource.id));
    expect(ids).toEqual(many.map((record) => record.decision!.request.resource.id));
    // What comes after the first part was asked for is not in the others.
    expect(parts.every(({ untilIndex }) => untilIndex === before + many.length)).toBe(true);
  }, 60_000);

  it('that this release cannot read are counted', async () => {
    const strange = decided('2027-01-01T00:00:00.000Z');
    (strange.decision as { effect: string }).effect = 'perhaps';
    await integrate(
      [strange, strange, decided('2027-01-01T00:00:00.000Z')].map((r) => ({ ...r, id: randomUUID() })),
    );
    expect(await listAll('2027-01-01T00:00:00.000Z')).toMatchObject([
      { unreadable: 2, groups: [{ count: 1 }], nextIndex: null },
    ]);
  });

  it('are found by index and by record id', async () => {
    const find = makeFindDecision(ports());
    const wanted = inLedger[3]!;
    const found = await find({ recordId: wanted.id }, call);
    expect(found).toMatchObject({ index: 3, recordId: wanted.id, type: wanted.type, name: 'billing/stripe' });
    expect(found.decision).toEqual(wanted.decision);
    expect(await find({ index: 3 }, call)).toEqual(found);
    await expectCode(find({ index: 1_000_000 }, call), 'DECISION_NOT_FOUND');
    await expectCode(find({ index: 6 }, call), 'DECISION_NOT_FOUND'); // a record of no decision
  });
});
