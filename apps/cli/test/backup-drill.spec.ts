import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { runKeymesh, startKeymesh } from './support/keymesh-command.js';
import { fsck } from './support/fsck.js';
import { makeTestHome } from './support/launched-mesh.js';

// The restore drill: one mesh, its backup, its loss, and its way back onto an empty machine that has the master key alone. In order;
// real services, real servers, real kills. Needs the build.

const CREDENTIALS = 100;
const KILLS = process.env.SLOW === '1' ? 12 : 3;
const LONG_MS = 600_000;
const EVE = 'eve-who-is-disabled';
const folder = mkdtempSync(join(tmpdir(), 'keymesh-drill-'));
const backups = join(folder, 'backups');
const kept = (name: string): string => join(folder, name);
const env = { KEYMESH_BACKUP_TO: backups };
const seed = Number(process.env.SEED ?? Date.now() % 100_000);

describe(`restore drill (seed ${String(seed)})`, () => {
  const lost = makeTestHome();
  const fresh = makeTestHome();
  afterAll(async () => {
    await lost.remove();
    await fresh.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const values = new Map<string, readonly Buffer[]>();
  const canary = randomBytes(24);
  let file = '';
  let newest = { version: 0, revision: 0 };

  it(
    'makes a backup of a running mesh that tells nothing',
    async () => {
      await lost.launch().ready(300_000);
      const keymesh = await connect({ home: lost.home });
      values.set('drill/canary', [canary]);
      for (let at = 0; at < CREDENTIALS; at += 1)
        values.set(`drill/n${String(at)}`, [randomBytes(1 + (at % 300)), randomBytes(40)]);
      await inTurns([...values], 12, async ([name, versions]) => {
        for (const value of versions)
          await keymesh.credentials.store({ name, type: 'generic', value, expectedVersion: 'any' });
      });
      await keymesh.close();
      expect((await runKeymesh(lost.home, ['principal', 'create', EVE, '--role', 'reader'])).code).toBe(0);

      const made = await runKeymesh(lost.home, ['backup', 'create', '--json'], env);
      expect(made).toMatchObject({ code: 0 });
      const { name, rows } = JSON.parse(made.stdout) as { name: string; rows: number };
      expect(rows).toBeGreaterThan(values.size * 3);
      file = join(backups, name);

      const bytes = readFileSync(file);
      const { meshPublicKey } = JSON.parse(readFileSync(join(lost.home, 'trust.json'), 'utf8')) as {
        meshPublicKey: string;
      };
      expect(bytes.includes(meshPublicKey)).toBe(true); // the control: a search in this file finds what is there
      const seeds = [
        'secrets/vault/signing.seed',
        'secrets/audit/checkpoint.seed',
        'secrets/vault/nats.seed',
      ].map((path) => readFileSync(join(lost.home, path), 'utf8').trim());
      const masterKey = readFileSync(join(lost.home, 'master.key'));
      for (const secret of [canary, masterKey, ...seeds.map((text) => Buffer.from(text))])
        for (const form of ['latin1', 'base64', 'base64url', 'hex'] as const)
          expect(bytes.includes(secret.toString(form), 0, 'latin1')).toBe(false);
      for (const word of ['drill/canary', EVE, 'credential', 'secrets/vault'])
        expect(bytes.includes(word)).toBe(false);
    },
    LONG_MS,
  );

  it(
    'verifies it, opens every value in it, and refuses it with a byte changed, cut off or added',
    async () => {
      const deep = await runKeymesh(lost.home, ['backup', 'verify', '--deep'], env);
      expect(deep).toMatchObject({ code: 0 });
      expect(deep.stdout).toContain('every value in it opens');
      const bytes = readFileSync(file);
      const flipped = Buffer.from(bytes);
      flipped[Math.floor(bytes.length / 2)]! ^= 1;
      for (const damaged of [
        flipped,
        bytes.subarray(0, -1),
        bytes.subarray(0, 70_000),
        Buffer.concat([bytes, bytes]),
      ]) {
        const other = join(folder, 'damaged');
        mkdirSync(other, { recursive: true });
        writeFileSync(join(other, readdirSync(backups)[0]!), damaged);
        const refused = await runKeymesh(lost.home, ['backup', 'verify', '--to', other]);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toContain('BACKUP_INVALID');
      }
    },
    LONG_MS,
  );

  it(
    'goes on after it: a new version, one deleted, one disabled; the audit log is kept elsewhere',
    async () => {
      const keymesh = await connect({ home: lost.home });
      const { version, revision } = await keymesh.credentials.store({
        ...{ name: 'drill/n1', type: 'generic', value: randomBytes(20), expectedVersion: 'any' },
      });
      newest = { version, revision };
      await keymesh.credentials.delete('drill/n2');
      await keymesh.close();
      expect((await runKeymesh(lost.home, ['principal', 'disable', EVE])).code).toBe(0);
      const stop = ['kill-switch', '--namespace', 'elsewhere', '--reason', 'drill'];
      expect((await runKeymesh(lost.home, stop)).code).toBe(0);
      // What was committed is in the ledger within a moment, and the checkpoint that is kept must cover it.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      for (const [name, args] of [
        ['checkpoint.txt', ['audit', 'checkpoint']],
        ['log.key', ['audit', 'key']],
        ['log.jsonl', ['audit', 'export']],
      ] as const) {
        const { stdout } = await runKeymesh(lost.home, args);
        writeFileSync(kept(name), stdout);
      }
      await lost.stop();
    },
    LONG_MS,
  );

  it(
    'restores nothing over a mesh that is there, and nothing without a word on what happened since',
    async () => {
      expect((await runKeymesh(lost.home, ['backup', 'restore'], env)).stderr).toContain(
        'BACKUP_TARGET_NOT_EMPTY',
      );
      mkdirSync(fresh.home, { recursive: true, mode: 0o700 });
      copyFileSync(join(lost.home, 'master.key'), join(fresh.home, 'master.key'));
      expect((await runKeymesh(fresh.home, ['backup', 'restore'], env)).stderr).toContain(
        '--without-later-records',
      );
    },
    LONG_MS,
  );

  it(
    'comes back on an empty machine, though the restore is killed again and again',
    async () => {
      const restore = [
        ...['backup', 'restore', '--audit-log', kept('log.jsonl')],
        ...['--audit-checkpoint', kept('checkpoint.txt'), '--audit-key', kept('log.key')],
      ];
      const random = makeRandom(seed);
      for (let kill = 0; kill < KILLS; kill += 1) {
        const { child, ended } = startKeymesh(fresh.home, restore, env);
        await Promise.race([ended, pause(((kill + random()) * 24_000) / KILLS)]);
        child.kill('SIGKILL');
        await ended;
        if (!existsSync(join(fresh.home, 'restoring.json'))) continue;
        const half = fresh.launch();
        expect(await half.ended()).toBe(2);
        expect(half.output()).toContain('backup restore');
      }
      // A last one may have come to its end; otherwise the same command finishes the work.
      const done = await runKeymesh(fresh.home, restore, env);
      const isDone = done.code === 0 || done.stderr.includes('BACKUP_TARGET_NOT_EMPTY');
      expect(`${String(isDone)} ${done.stderr}`).toMatch(/^true/);
    },
    LONG_MS,
  );

  it(
    'has every value, and what was taken away since is taken away',
    async () => {
      await fresh.launch().ready(300_000);
      const keymesh = await connect({ home: fresh.home });
      const expected = [...values].filter(([name]) => name !== 'drill/n2');
      await inTurns(expected, 12, async ([name, versions]) => {
        await expectValue(keymesh, name, undefined, versions.at(-1)!);
        if (versions.length > 1) await expectValue(keymesh, name, 1, versions[0]!);
      });
      await expect(keymesh.credentials.retrieve('drill/n2')).rejects.toMatchObject({
        code: 'CREDENTIAL_NOT_FOUND',
      });
      const next = await keymesh.credentials.store({
        ...{ name: 'drill/n1', type: 'generic', value: randomBytes(20), expectedVersion: 'any' },
      });
      expect(next.version).toBeGreaterThan(newest.version);
      expect(next.revision).toBeGreaterThan(newest.revision);
      await keymesh.close();
      const principals = await runKeymesh(fresh.home, ['principal', 'list', '--json']);
      expect(JSON.parse(principals.stdout)).toEqual(
        expect.arrayContaining([expect.objectContaining({ name: EVE, status: 'disabled' })]),
      );
      const kills = await runKeymesh(fresh.home, ['kill-switch', 'list', '--json']);
      expect(JSON.parse(kills.stdout)).toMatchObject([
        { scope: 'namespace', name: 'elsewhere', lifted: null },
      ]);
      const log = await runKeymesh(fresh.home, ['audit', 'export']);
      expect(log.stdout).toContain('"type":"backup.restored"');
      expect(await runKeymesh(fresh.home, ['audit', 'verify'])).toMatchObject({ code: 0 });
      expect(await fsck(fresh.home, 'vault')).toMatchObject({ code: 0 });
      expect(await fsck(fresh.home, 'audit')).toMatchObject({ code: 0 });
    },
    LONG_MS,
  );

  it(
    'puts a namespace back into the running mesh, by ordinary new versions',
    async () => {
      const restored = await runKeymesh(
        fresh.home,
        ['backup', 'restore', '--namespace', 'drill', '--json'],
        env,
      );
      expect(restored).toMatchObject({ code: 0 });
      expect(JSON.parse(restored.stdout)).toMatchObject({
        'new-version': 1,
        unchanged: CREDENTIALS - 1,
        'new-credential': 1,
      });
      const keymesh = await connect({ home: fresh.home });
      await pause(1_100); // a running vault knows of it within a second
      await expectValue(keymesh, 'drill/n1', undefined, values.get('drill/n1')![1]!);
      await expectValue(keymesh, 'drill/n2', undefined, values.get('drill/n2')![1]!);
      await keymesh.close();
    },
    LONG_MS,
  );

  it(
    'goes back to an older backup in place of the mesh, and its ledger goes on',
    async () => {
      await fresh.stop();
      const replaced = await runKeymesh(fresh.home, ['backup', 'restore', '--replace', '--json'], env);
      expect(replaced).toMatchObject({ code: 0 });
      const { applied } = JSON.parse(replaced.stdout) as {
        applied: { epoch: number; credentialsDeleted: number };
      };
      expect(applied.credentialsDeleted).toBe(1);
      await fresh.launch().ready(300_000);
      const verified = await runKeymesh(fresh.home, [
        ...['audit', 'verify', '--checkpoint', join(fresh.home, 'verified', 'checkpoint.txt')],
      ]);
      expect(verified).toMatchObject({ code: 0 });
      expect(verified.stdout).toContain('anchored');
      const keymesh = await connect({ home: fresh.home });
      await expectValue(keymesh, 'drill/n3', undefined, values.get('drill/n3')![1]!);
      await keymesh.close();
    },
    LONG_MS,
  );
});

async function expectValue(
  keymesh: Keymesh,
  name: string,
  version: number | undefined,
  value: Buffer,
): Promise<void> {
  using found = await keymesh.credentials.retrieve(name, version === undefined ? {} : { version });
  expect(Buffer.from(found.value.expose()).equals(value)).toBe(true);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function inTurns<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** mulberry32 */
function makeRandom(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
