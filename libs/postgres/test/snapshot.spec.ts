import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { withClient } from '../src/admin-client.js';
import { fillTables, withSnapshot } from '../src/index.js';

let postgres: TestPostgres;
const schemas = ['vault', 'policy'];
const connection = () => ({
  url: postgres.deployUrl,
  password: postgres.password,
  applicationName: 'snapshot-spec',
});
const sql = <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
  withClient(connection(), async (client) => (await client.query(text, [...values])).rows as Row[]);

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

beforeAll(async () => {
  postgres = await startTestPostgres();
  await sql(`
    CREATE SCHEMA vault; CREATE SCHEMA policy;
    CREATE TABLE vault.a_leaf (id bigserial PRIMARY KEY, root int, bytes bytea, words text[], facts jsonb, at timestamptz, text text);
    CREATE TABLE vault.z_root (id int PRIMARY KEY);
    ALTER TABLE vault.a_leaf ADD FOREIGN KEY (root) REFERENCES vault.z_root;
    CREATE TABLE policy.taken (who text, count int, doubled int GENERATED ALWAYS AS (count * 2) STORED);
    INSERT INTO vault.z_root VALUES (7)`);
  await sql(
    `INSERT INTO vault.a_leaf (root, bytes, words, facts, at, text)
     VALUES (7, $1, $2, $3, now(), $4), (NULL, NULL, '{}', NULL, 'infinity', '')`,
    [randomBytes(300), ['a,b', '"q"', 'NULL', '\\N', ''], { x: 'tab\t' }, 'line\nbreak\t\\.\r\u2028 \\N ü'],
  );
  await sql(`INSERT INTO policy.taken (who, count) VALUES ('eve', 21)`);
}, 60_000);
afterAll(() => postgres.stop(), 30_000);

describe('snapshot', () => {
  it('shows every table as of one moment, whatever is written meanwhile', async () => {
    await withSnapshot({ ...connection(), schemas }, async (snapshot) => {
      await sql(`INSERT INTO policy.taken (who, count) VALUES ('late', 1)`);
      const taken = snapshot.tables.find(({ table }) => table === 'taken')!;
      expect((await collect(snapshot.copyOut(taken))).toString()).toBe('eve\t21\n');
    });
    await sql(`DELETE FROM policy.taken WHERE who = 'late'`);
  });

  it('writes nothing, not even by mistake', async () => {
    await expect(
      withSnapshot({ ...connection(), schemas }, (snapshot) => snapshot.query('DELETE FROM policy.taken')),
    ).rejects.toMatchObject({ details: { sqlState: '25006' } });
  });

  it('gives back the same rows, byte for byte, with sequences that go on', async () => {
    const before = await sql('SELECT * FROM vault.a_leaf ORDER BY id');
    const kept = await withSnapshot({ ...connection(), schemas }, async (snapshot) => {
      const tables: { shape: (typeof snapshot.tables)[number]; rows: Buffer }[] = [];
      for (const shape of snapshot.tables)
        tables.push({ shape, rows: await collect(snapshot.copyOut(shape)) });
      return { tables, sequences: await snapshot.sequences() };
    });
    expect(kept.tables.map(({ shape }) => shape.table)).toEqual(['taken', 'z_root', 'a_leaf']);
    await sql('INSERT INTO vault.z_root VALUES (8)');
    await sql(`SELECT setval('vault.a_leaf_id_seq', 1)`);
    const pieces = function* (rows: Buffer): Generator<Buffer> {
      for (let at = 0; at < rows.length; at += 11) yield rows.subarray(at, at + 11);
    };
    await fillTables({ ...connection(), schemas }, async (filling) => {
      await filling.empty(filling.tables);
      for (const { shape, rows } of kept.tables) {
        const count = rows.toString().split('\n').length - 1;
        expect(await filling.copyIn(shape, toAsync(pieces(rows)))).toBe(count);
      }
      for (const state of kept.sequences) await filling.setSequence(state);
    });
    expect(await sql('SELECT * FROM vault.a_leaf ORDER BY id')).toEqual(before);
    expect(await sql('SELECT id FROM vault.z_root')).toEqual([{ id: 7 }]);
    expect(await sql('SELECT * FROM policy.taken')).toEqual([{ who: 'eve', count: 21, doubled: 42 }]);
    expect(await sql('INSERT INTO vault.a_leaf (root) VALUES (7) RETURNING id')).toEqual([{ id: '3' }]);
  });

  it('changes nothing when filling fails before its end', async () => {
    const before = await sql('SELECT * FROM policy.taken');
    await expect(
      fillTables({ ...connection(), schemas }, async (filling) => {
        await filling.empty(filling.tables);
        throw new Error('the stream broke');
      }),
    ).rejects.toThrow();
    expect(await sql('SELECT * FROM policy.taken')).toEqual(before);
  });
});

async function* toAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}
