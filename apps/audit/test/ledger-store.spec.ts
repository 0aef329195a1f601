import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { makeSigningKey } from '@keymesh/kernel';
import { encodeLeaf, encodePack, type Delivery } from '@keymesh/mesh';
import { expectCode } from '@keymesh/testing';
import { noteVerifierOf, openNote, parseCheckpoint, rootOfLeaves } from '@keymesh/transparency-log';
import { adoptJournal } from '../src/operations/adopt-journal.js';
import { fsckLedger } from '../src/operations/fsck-ledger.js';
import { reportSilentChains } from '../src/operations/report-silent-chains.js';
import { makeCheckpointSigner, type CheckpointSignerOptions } from '../src/operations/sign-checkpoint.js';
import { deliver, makeProducer, makeRecord, makeRecords } from './records.js';
import { failingAt, startLedgerDatabase, type LedgerDatabase } from './support/ledger-database.js';

const ORIGIN = 'keymesh.test/audit';
const TABLES = 'entry, beside, repeat, tile, checkpoint, pack_chain, incident, outbox';
const { key: checkpointKey } = makeSigningKey();
const verifier = noteVerifierOf(ORIGIN, checkpointKey.publicKeyText);

let on: LedgerDatabase;

beforeAll(async () => {
  on = await startLedgerDatabase();
}, 60_000);
afterAll(() => on.stop());
beforeEach(async () => {
  await on.asOwner(`TRUNCATE ${TABLES}`);
  await on.dataSource.query(
    `UPDATE tree_head SET size = 0, root = sha256(''), journal_sequence = 0, journal_stored_at = NULL`,
  );
});

const rows = <Row>(text: string): Promise<Row[]> => on.dataSource.query<Row[]>(text);
const eventIds = async (): Promise<string[]> =>
  (await rows<{ event_id: string }>('SELECT event_id FROM entry ORDER BY log_index')).map(
    (row) => row.event_id,
  );
const journalOf = (deliveries: readonly Delivery[]): Delivery[] =>
  deliveries.map((delivery, at) => ({ ...delivery, streamSequence: at + 1 }));

describe('the ledger writer', () => {
  it('whatever query of a commit fails, nothing of it is there, and the next attempt takes all of it once', async () => {
    const vault = makeProducer('vault', { key: on.key });
    vault.next(); // left out: an incident, and with it an alert, is part of the commit
    const records = makeRecords(300);
    const deliveries = journalOf([vault.next(records), vault.next([records[0]!])]);
    let failures = 0;
    for (let nth = 1; ; nth += 1) {
      const { dataSource, queries } = failingAt(on.dataSource, nth);
      const before = (await fsckLedger(on.dataSource, verifier)).size;
      const attempt = on.makeWriter(dataSource).integrate(deliveries);
      if (
        await attempt.then(
          () => queries() < nth,
          () => false,
        )
      )
        break;
      failures += 1;
      expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: before });
    }
    expect(failures).toBeGreaterThan(8);
    expect(await eventIds()).toEqual(records.map(({ id }) => id));
    expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: 300 });
    expect(await rows('SELECT kind, observed::int, expected::int FROM incident')).toEqual([
      { kind: 'gap', observed: 2, expected: 1 },
    ]);
    expect(await rows('SELECT kind, subject FROM outbox')).toEqual([
      { kind: 'alert', subject: 'keymesh.v1.alert.high.journal-gap' },
    ]);
  });

  it('passes over what it has, so that a lost acknowledgement changes nothing', async () => {
    const vault = makeProducer('vault', { key: on.key });
    const deliveries = journalOf([vault.next(makeRecords(3)), vault.next(makeRecords(2))]);
    const writer = on.makeWriter();
    await writer.integrate(deliveries);
    expect((await writer.integrate(deliveries)).leaves).toEqual([]);
    expect((await on.makeWriter().integrate(deliveries)).head.size).toBe(5);
    expect(await rows('SELECT * FROM repeat')).toEqual([]);
  });

  it('two writers never give out one index twice: the one that is late is refused and goes on from what is there', async () => {
    const vault = makeProducer('vault', { key: on.key });
    const [first, second] = journalOf([vault.next(makeRecords(4)), vault.next(makeRecords(4))]);
    const [a, b] = [on.makeWriter(), on.makeWriter()];
    await a.head();
    await b.head();
    await a.integrate([first!]);
    await expectCode(b.integrate([first!]), 'UNAVAILABLE');
    const outcomes = await Promise.allSettled([a.integrate([second!]), b.integrate([first!, second!])]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    await a.integrate([second!]).catch(() => a.integrate([second!]));
    expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: 8 });
  });

  it('has the same root whatever came together in one commit', async () => {
    const records = makeRecords(600);
    const vault = makeProducer('vault', { key: on.key });
    const deliveries = journalOf(
      Array.from({ length: 60 }, (_, at) => vault.next(records.slice(at * 10, at * 10 + 10))),
    );
    const writer = on.makeWriter();
    for (let from = 0, size = 1; from < deliveries.length; from += size, size = (size * 3) % 17)
      await writer.integrate(deliveries.slice(from, from + size));
    const leaves = (await rows<{ leaf: Buffer }>('SELECT leaf FROM entry ORDER BY log_index')).map(
      ({ leaf }) => leaf,
    );
    expect(leaves).toHaveLength(600);
    expect((await fsckLedger(on.dataSource, verifier)).root).toBe(
      Buffer.from(rootOfLeaves(leaves)).toString('hex'),
    );
  });

  it('tells messages that left the journal before it had them', async () => {
    const vault = makeProducer('vault', { key: on.key });
    const [first, , third] = journalOf([
      vault.next(makeRecords(1)),
      vault.next(),
      vault.next(makeRecords(1)),
    ]);
    await on.makeWriter().integrate([first!]);
    await on.makeWriter().integrate([third!]);
    expect(await rows('SELECT kind, journal_sequence::int AS at FROM incident ORDER BY kind')).toEqual([
      { kind: 'gap', at: 3 },
      { kind: 'journal-expired', at: 3 },
    ]);
    expect((await eventIds()).length).toBe(2);
  });

  it('takes times that are no dates, so that no record can stop the log', async () => {
    const vault = makeProducer('vault', { key: on.key });
    const times = [
      '2026-02-30T00:00:00Z',
      '2026-11-22T24:00:00Z',
      '1970-01-01T00:00:00Z',
      '9999-12-31T23:59:59.9Z',
    ];
    const odd = times.map((time) => ({ ...makeRecord(), time }));
    await on.makeWriter().integrate(journalOf([vault.next(odd)]));
    expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: 4 });
  });

  it('takes names that Postgres would refuse without letting them stop the log', async () => {
    const beside = Buffer.from(JSON.stringify({ name: 'a\0b\ud800', 'salt\0': 'x' }));
    const header = {
      producer: 'vault',
      instance: 'v',
      sequence: 1,
      previous: '0'.repeat(64),
      createdAt: '2026-11-22T12:00:00.000Z',
    } as const;
    const pack = encodePack(header, [{ leaf: encodeLeaf(makeRecord()), beside }], on.key);
    await on.makeWriter().integrate(journalOf([deliver(pack)]));
    expect(await rows('SELECT readable FROM beside')).toEqual([
      { readable: { name: 'ab\ufffd', salt: 'x' } },
    ]);
  });
});

describe('fsck', () => {
  it('finds what somebody with the database changed', async () => {
    const vault = makeProducer('vault', { key: on.key });
    await on.makeWriter().integrate(journalOf([vault.next(makeRecords(300)), vault.next(makeRecords(300))]));
    await sign();
    const damage = async (statement: string): Promise<string[]> => {
      await on.asOwner(statement);
      return [...new Set((await fsckLedger(on.dataSource, verifier)).problems.map(({ kind }) => kind))];
    };
    expect(await damage(`UPDATE audit.entry SET leaf = leaf || ' '::bytea WHERE log_index = 300`)).toEqual([
      'leaf-hash',
      'tile-hash',
      'root',
    ]);
    expect(
      await damage(
        `UPDATE audit.entry SET leaf = substring(leaf FOR octet_length(leaf) - 1) WHERE log_index = 300`,
      ),
    ).toEqual([]);
    expect(
      await damage(
        `UPDATE audit.tile SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1) WHERE level = 1`,
      ),
    ).toEqual(['tile-hash']);
    expect(
      await damage(
        `UPDATE audit.tile SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1) WHERE level = 1`,
      ),
    ).toEqual([]);
    expect(await damage(`UPDATE audit.checkpoint SET note = replace(note, '600', '601')`)).toEqual([
      'checkpoint-signature',
    ]);
    expect(
      await damage(`DELETE FROM audit.checkpoint; DELETE FROM audit.entry WHERE log_index >= 590`),
    ).toEqual(['size', 'root']);
  });
});

const sign = (change: Partial<CheckpointSignerOptions> = {}) =>
  makeCheckpointSigner({
    dataSource: on.dataSource,
    checkpointKey,
    origin: ORIGIN,
    publishedElsewhere: () => Promise.resolve(undefined),
    announce: () => Promise.resolve(),
    ...change,
  })();

describe('checkpoints', () => {
  it('sign what is committed, once', async () => {
    const vault = makeProducer('vault', { key: on.key });
    await on.makeWriter().integrate(journalOf([vault.next(makeRecords(10))]));
    const { checkpoint } = (await sign()) as { checkpoint: { note: string } };
    const opened = openNote(checkpoint.note, verifier);
    expect(opened.ok && parseCheckpoint(opened.text)?.size).toBe(10);
    expect(await sign()).toMatchObject({ state: 'unchanged' });
    expect(await rows('SELECT size::int FROM checkpoint')).toEqual([{ size: 10 }]);
  });

  it('are never signed below what was published elsewhere', async () => {
    const vault = makeProducer('vault', { key: on.key });
    await on.makeWriter().integrate(journalOf([vault.next(makeRecords(10))]));
    const elsewhere = { origin: ORIGIN, size: 11, root: new Uint8Array(32) };
    expect(await sign({ publishedElsewhere: () => Promise.resolve(elsewhere) })).toEqual({
      state: 'behind',
      size: 10,
      publishedSize: 11,
    });
    expect(await rows('SELECT size FROM checkpoint')).toEqual([]);
  });

  it('are never signed beside what was published elsewhere or here', async () => {
    const vault = makeProducer('vault', { key: on.key });
    await on.makeWriter().integrate(journalOf([vault.next(makeRecords(10))]));
    const elsewhere = { origin: ORIGIN, size: 7, root: new Uint8Array(32) };
    await expectCode(sign({ publishedElsewhere: () => Promise.resolve(elsewhere) }), 'LOG_INCONSISTENT');
    await on.dataSource.query(`INSERT INTO checkpoint (size, root, note) VALUES (7, sha256('other'), 'x')`);
    await expectCode(sign(), 'LOG_INCONSISTENT');
    expect(await rows('SELECT size::int FROM checkpoint')).toEqual([{ size: 7 }]);
  });

  it('are told again when no copy of them is left elsewhere, and never without being committed', async () => {
    const vault = makeProducer('vault', { key: on.key });
    await on.makeWriter().integrate(journalOf([vault.next(makeRecords(2))]));
    const refuse = () => Promise.reject(new Error('planted failure'));
    await expect(sign({ announce: refuse })).rejects.toThrow();
    expect(await rows('SELECT size FROM checkpoint')).toEqual([]);
    const told: number[] = [];
    const announce: CheckpointSignerOptions['announce'] = (_manager, { size }) => {
      told.push(size);
      return Promise.resolve();
    };
    await sign({ announce });
    await sign({ announce });
    expect(told).toEqual([2, 2]);
  });
});

describe('the journal under the ledger', () => {
  const position = async (): Promise<number> =>
    Number((await rows<{ at: string }>('SELECT journal_sequence AS at FROM tree_head'))[0]?.at);
  const kinds = async (): Promise<string[]> =>
    (await rows<{ kind: string }>('SELECT kind FROM incident ORDER BY kind')).map(({ kind }) => kind);
  const integrateThree = async (): Promise<void> => {
    await adoptJournal(on.dataSource, { created: 'then', lastSequence: 0 }, 0);
    const vault = makeProducer('vault', { key: on.key });
    await on
      .makeWriter()
      .integrate(
        journalOf([vault.next(makeRecords(1)), vault.next(makeRecords(1)), vault.next(makeRecords(1))]),
      );
  };
  beforeEach(() => on.dataSource.query('UPDATE tree_head SET journal_created = NULL'));

  it('is gone on with when it is the same', async () => {
    await integrateThree();
    await adoptJournal(on.dataSource, { created: 'then', lastSequence: 9 }, 0);
    expect([await position(), await kinds()]).toEqual([3, []]);
  });

  it('is taken from its beginning when it was made anew, which is an incident', async () => {
    await integrateThree();
    await adoptJournal(on.dataSource, { created: 'now', lastSequence: 9 }, 0);
    expect([await position(), await kinds()]).toEqual([0, ['journal-replaced']]);
  });

  it('is taken from where it ends when it lost its end, so that nothing new is passed over', async () => {
    await integrateThree();
    await adoptJournal(on.dataSource, { created: 'then', lastSequence: 1 }, 0);
    expect([await position(), await kinds()]).toEqual([1, ['journal-replaced']]);
  });

  it('has a chain that fell silent told once, by its own time', async () => {
    const chains = [
      makeProducer('vault', { key: on.key, instance: 'dead' }),
      makeProducer('vault', { key: on.key, instance: 'alive' }),
    ];
    const ended = makeProducer('vault', { key: on.key, instance: 'ended' });
    const [a, b, c, d] = journalOf([
      chains[0]!.next(makeRecords(1)),
      ended.next([], { final: true }),
      chains[1]!.next(),
      chains[1]!.next(),
    ]);
    const later = (delivery: Delivery, seconds: number): Delivery => ({
      ...delivery,
      storedAt: 1e12 + seconds * 1_000,
    });
    const writer = on.makeWriter();
    await writer.integrate([later(a!, 0), later(b!, 0), later(c!, 50)]);
    expect(await reportSilentChains(on.dataSource, 9e15)).toBe(0);
    await writer.integrate([later(d!, 70)]);
    expect(await reportSilentChains(on.dataSource, 0)).toBe(1);
    expect(await reportSilentChains(on.dataSource, 0)).toBe(0);
    expect(await rows('SELECT kind, instance FROM incident')).toEqual([{ kind: 'silent', instance: 'dead' }]);
  });
});
