import { describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { makeSigningKey } from '@keymesh/kernel';
import type { Snapshot } from '@keymesh/postgres';
import { v7 as uuidv7 } from 'uuid';
import { makeFakeKms } from '../../test/fakes.js';
import { readContents, writeContents, type ContentsVisitor } from './contents.js';
import { openBackup, sealBackup } from './seal-backup.js';

const { kms } = makeFakeKms();
const { key: meshKey } = makeSigningKey();
const secret = randomBytes(48).toString('base64');
const tables = [
  { schema: 'vault', table: 'credential', columns: ['name', 'description'] },
  { schema: 'policy', table: 'taken', columns: ['principal'] },
];
const rows: Record<string, string> = { credential: `a\t${secret}\nb\t\\N\n`, taken: '' };
const snapshot: Snapshot = {
  tables,
  migrations: { vault: ['First1'], policy: [] },
  copyOut: ({ table }) => Readable.from([Buffer.from(rows[table] ?? '')]),
  query: () => Promise.resolve([]),
  sequences: () =>
    Promise.resolve([{ schema: 'vault', sequence: 'revision', lastValue: '7', isCalled: true }]),
};

async function make(
  files = [{ path: 'secrets/vault/nats.seed', content: randomBytes(70_000) }],
): Promise<Buffer> {
  const contents = writeContents({ snapshot, tables, begin: { checkpoint: null, epoch: 0 }, files });
  const pieces: Uint8Array[] = [];
  const backup = { backupId: uuidv7(), createdAt: new Date().toISOString() };
  for await (const piece of sealBackup({ kms, meshKey }, backup, contents)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const inPieces = (bytes: Uint8Array): AsyncIterable<Uint8Array> =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 3_001) yield bytes.subarray(at, at + 3_001);
    })(),
  );

async function read(bytes: Uint8Array, visitor: ContentsVisitor = {}) {
  const { contents } = await openBackup(kms, inPieces(bytes));
  return readContents(contents, visitor);
}

const codeOf = (bytes: Uint8Array): Promise<unknown> =>
  read(bytes).then(
    () => 'opened',
    (error: unknown) => (error as { code?: string }).code,
  );

describe('a backup', () => {
  test('gives back tables and files, byte for byte', async () => {
    const content = randomBytes(100_000);
    const expected = Buffer.from(content);
    const seen: Record<string, Buffer> = {};
    const collect = async (name: string, pieces: AsyncIterable<Uint8Array>): Promise<void> => {
      const all: Uint8Array[] = [];
      for await (const piece of pieces) all.push(piece);
      seen[name] = Buffer.concat(all);
    };
    const { begin, end } = await read(await make([{ path: 'trust.json', content }]), {
      table: ({ table }, pieces) => collect(table, pieces),
      file: (path, pieces) => collect(path, pieces),
    });
    expect(begin).toMatchObject({ migrations: snapshot.migrations, checkpoint: null, epoch: 0 });
    expect(end).toMatchObject({
      tables: 2,
      rows: 2,
      files: 1,
      sequences: [{ sequence: 'revision', lastValue: '7' }],
    });
    expect(seen.credential?.toString()).toBe(rows.credential);
    expect(seen['trust.json']?.equals(expected)).toBe(true);
  });

  test('checks also what its reader leaves unread', async () => {
    expect((await read(await make(), { table: () => Promise.resolve() })).end.rows).toBe(2);
  });

  test('shows nothing of what is in it; a search in it finds what stands in the clear', async () => {
    const bytes = await make();
    expect(bytes.includes(meshKey.publicKeyText)).toBe(true);
    for (const text of [secret, 'credential', 'vault', 'First1', 'nats.seed'])
      expect(bytes.includes(text)).toBe(false);
  });

  test('is refused with any byte changed, cut off anywhere, or with anything after it', async () => {
    const bytes = await make([{ path: 'trust.json', content: randomBytes(140_000) }]);
    // Every byte of the start and the end, and some of each chunk between.
    const places = [...Array(400).keys(), ...Array.from({ length: 60 }, (_, at) => 400 + at * 2_311)].filter(
      (at) => at < bytes.length,
    );
    for (const at of [...places, ...Array.from({ length: 70 }, (_, back) => bytes.length - 1 - back)]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      expect(`${String(at)} ${String(await codeOf(changed))}`).toBe(`${String(at)} BACKUP_INVALID`);
    }
    for (const length of [
      0,
      7,
      8,
      9,
      13,
      200,
      500,
      66_000,
      bytes.length - 64,
      bytes.length - 63,
      bytes.length - 1,
    ])
      expect(await codeOf(bytes.subarray(0, length))).toBe('BACKUP_INVALID');
    for (const more of [Buffer.of(0), randomBytes(64), bytes])
      expect(await codeOf(Buffer.concat([bytes, more]))).toBe('BACKUP_INVALID');
  });

  test('is refused when the start of one stands before the stream of another, or the signature of another after it', async () => {
    const [one, other] = [await make(), await make()];
    const startBytes = 13 + one.readUInt32BE(9);
    expect(other.readUInt32BE(9)).toBe(one.readUInt32BE(9));
    const spliced = Buffer.concat([one.subarray(0, startBytes), other.subarray(startBytes)]);
    const resigned = Buffer.concat([one.subarray(0, -64), other.subarray(-64)]);
    expect(await codeOf(one)).toBe('opened');
    for (const bytes of [spliced, resigned]) expect(await codeOf(bytes)).toBe('BACKUP_INVALID');
  });

  test('opens under no other KMS key', async () => {
    const bytes = await make();
    const stranger = makeFakeKms().kms;
    await expect(
      openBackup(
        { unwrapKey: (wrapped, context) => stranger.unwrapKey(wrapped, { ...context, x: 'y' }) },
        inPieces(bytes),
      ),
    ).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
    });
  });

  test('of a format that is not known says so', async () => {
    const bytes = await make();
    bytes[8] = 2;
    await expect(read(bytes)).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
      message: expect.stringContaining('format 1'),
    });
  });

  test('carries no file whose path leads elsewhere', async () => {
    for (const path of ['../evil', '/etc/passwd', 'a/../../b', 'a//b', '.hidden/x', 'a\\b'])
      await expect(make([{ path, content: Buffer.of(1) }])).rejects.toThrow();
  });
});
