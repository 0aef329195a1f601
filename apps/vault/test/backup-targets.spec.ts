import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { failure } from '@keymesh/contracts';
import { v7 as uuidv7 } from 'uuid';
import { backupNameOf } from '../src/backup/backup-name.js';
import { makeFolderTarget } from '../src/backup/targets/folder.js';
import { makeS3Target } from '../src/backup/targets/s3.js';
import type { BackupTarget } from '../src/backup/targets/target.js';
import { startMoto, type Moto } from './support/moto.js';

const folder = mkdtempSync(join(tmpdir(), 'keymesh-targets-'));
let moto: Moto;
let client: S3Client;
const targets: Record<string, BackupTarget> = {};

beforeAll(async () => {
  moto = await startMoto();
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  const place = { region: 'us-east-1', endpoint: moto.endpoint };
  client = new S3Client({ ...place, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'backups' }));
  targets.folder = makeFolderTarget({ folder: join(folder, 'made', 'anew') });
  targets.s3 = makeS3Target({ bucket: 'backups', prefix: 'mesh/', ...place });
}, 60_000);
afterAll(async () => {
  client.destroy();
  await moto.stop();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

const aName = (): string => backupNameOf({ backupId: uuidv7(), createdAt: new Date().toISOString() });
const inPieces = (bytes: Uint8Array): AsyncIterable<Uint8Array> =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    })(),
  );
async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
async function* breakingAfter(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* inPieces(bytes);
  throw failure('STORE_UNAVAILABLE');
}

describe.each(['folder', 's3'])('backups kept in %s', (kind) => {
  it('come back as they went, also in several parts', async () => {
    const target = targets[kind]!;
    for (const size of [1, 40 * 2 ** 20]) {
      const [name, bytes] = [aName(), randomBytes(size)];
      expect(await target.put(name, inPieces(bytes))).toMatchObject({ sizeBytes: size });
      expect((await collect(await target.get(name))).equals(bytes)).toBe(true);
      expect(await target.list()).toContainEqual({ name, sizeBytes: size });
      await target.remove(name);
      expect(await target.list()).toEqual([]);
    }
  }, 60_000);

  it('are there whole or not at all, and the first cause is told', async () => {
    const target = targets[kind]!;
    for (const size of [10, 40 * 2 ** 20])
      await expect(target.put(aName(), breakingAfter(randomBytes(size)))).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
      });
    expect(await target.list()).toEqual([]);
  }, 60_000);

  it('that are not there are not found', async () => {
    await expect(targets[kind]!.get(aName())).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
  });
});

describe('a folder', () => {
  it('is its owner’s alone, and keeps nothing unfinished', async () => {
    const at = join(folder, 'made', 'anew');
    const name = aName();
    await targets.folder!.put(name, inPieces(randomBytes(10)));
    expect(statSync(at).mode & 0o777).toBe(0o700);
    expect(statSync(join(at, name)).mode & 0o777).toBe(0o600);
    expect(readdirSync(at)).toEqual([name]);
  });

  it('that cannot be written says so, without its path', async () => {
    writeFileSync(join(folder, 'file'), '');
    const target = makeFolderTarget({ folder: join(folder, 'file', 'below') });
    const refused: unknown = await target
      .put(aName(), inPieces(Buffer.of(1)))
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'BACKUP_TARGET_UNAVAILABLE' });
    expect(JSON.stringify(refused)).not.toContain(folder);
    mkdirSync(join(folder, 'empty'));
    expect(await makeFolderTarget({ folder: join(folder, 'empty') }).list()).toEqual([]);
  });
});

describe('s3', () => {
  it('keeps no parts of an upload that broke off', async () => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'backups' }));
    expect(Uploads).toEqual([]);
  });

  it('that is not there says so', async () => {
    const target = makeS3Target({
      bucket: 'no-such-bucket',
      prefix: '',
      region: 'us-east-1',
      endpoint: moto.endpoint,
    });
    await expect(target.list()).rejects.toMatchObject({ code: 'BACKUP_TARGET_UNAVAILABLE' });
    await expect(target.put(aName(), inPieces(Buffer.of(1)))).rejects.toMatchObject({
      code: 'BACKUP_TARGET_UNAVAILABLE',
    });
  });
});
