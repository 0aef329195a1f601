import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { freePort } from '@keymesh/testing';
import { withClient } from '../src/admin-client.js';
import {
  endProcess,
  findEmbeddedPostgres,
  isSameProcess,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../src/index.js';
import { readPostmasterFile } from '../src/embedded/postmaster-file.js';

const PASSWORD = 'correct horse battery staple';

describe('the embedded Postgres', () => {
  let home: string;
  let systemFolder: string;
  let server: EmbeddedPostgres;
  let port: number;
  const start = async (onNotice?: (text: string) => void): Promise<EmbeddedPostgres> =>
    (server = await startEmbeddedPostgres({
      folder: join(home, 'postgres'),
      port,
      superuserPasswordFile: join(home, 'password'),
      logFile: join(home, 'postgres.log'),
      systemFolder,
      ...(onNotice === undefined ? {} : { onNotice }),
    }));
  const query = async (sql: string): Promise<unknown[]> =>
    withClient(
      { url: server.adminUrl, password: Secret.fromText(PASSWORD, 'x'), applicationName: 'spec' },
      async (client) => (await client.query(sql)).rows as unknown[],
    );

  beforeEach(async () => {
    // A path with a space, closed to everybody else, as KEYMESH_HOME is.
    home = mkdtempSync(join(tmpdir(), 'keymesh home '));
    chmodSync(home, 0o700);
    systemFolder = mkdtempSync(join(tmpdir(), 'keymesh-system-'));
    chmodSync(systemFolder, 0o755);
    writeFileSync(join(home, 'password'), PASSWORD, { mode: 0o600 });
    port = await freePort();
  });
  afterEach(async () => {
    await server.stop();
    rmSync(home, { recursive: true, force: true });
    rmSync(systemFolder, { recursive: true, force: true });
  });

  it('is made, found again, adopted, stopped and started with all its data', async () => {
    const notices: string[] = [];
    await start((text) => notices.push(text));
    expect(notices).toEqual(['made a new Postgres cluster']);
    await query('CREATE TABLE kept AS SELECT 42 AS answer');
    expect(findEmbeddedPostgres(join(home, 'postgres'))).toEqual({ process: server.process, port });
    const first = server;
    expect((await start()).adopted).toBe(true);
    expect(server.process).toEqual(first.process);
    await server.stop();
    expect(isSameProcess(first.process)).toBe(false);
    expect(findEmbeddedPostgres(join(home, 'postgres'))).toBeUndefined();
    expect((await start()).adopted).toBe(false);
    expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('listens on loopback only, wants the password, keeps it out of arguments and log, and syncs', async () => {
    await start();
    const wrong = withClient(
      { url: server.adminUrl, password: Secret.fromText('wrong', 'x'), applicationName: 'spec' },
      () => Promise.resolve(),
    );
    await expect(wrong).rejects.toMatchObject({ details: { sqlState: '28P01' } });
    expect(
      await query(`SELECT name, setting FROM pg_settings WHERE name IN
        ('fsync', 'listen_addresses', 'unix_socket_directories', 'password_encryption', 'synchronous_commit', 'data_checksums') ORDER BY name`),
    ).toEqual([
      { name: 'data_checksums', setting: 'on' },
      { name: 'fsync', setting: 'on' },
      { name: 'listen_addresses', setting: '127.0.0.1' },
      { name: 'password_encryption', setting: 'scram-sha-256' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'unix_socket_directories', setting: '' },
    ]);
    await expect(query("SELECT 'CANARY'::int")).rejects.toMatchObject({ code: 'INTERNAL' });
    const args = execFileSync('ps', ['-o', 'args=', '-p', String(server.process.pid)], { encoding: 'utf8' });
    const log = readFileSync(join(home, 'postgres.log'), 'utf8');
    for (const secret of [PASSWORD, 'CANARY']) expect(args).not.toContain(secret);
    expect(log).toContain('ready to accept connections'); // control: the log is the one we mean
    expect(log).not.toContain(PASSWORD);
    expect(log).not.toContain('CANARY');
    expect(existsSync(join(server.dataDir, '..', 'data.password'))).toBe(false);
  });

  it('never runs as root, and keeps its data from everybody else', async () => {
    await start();
    const uid = Number(
      execFileSync('ps', ['-o', 'uid=', '-p', String(server.process.pid)], { encoding: 'utf8' }),
    );
    expect(uid).not.toBe(0);
    expect(statSync(server.dataDir).uid).toBe(uid);
    expect(statSync(server.dataDir).mode & 0o077).toBe(0);
  });

  it('recovers after kill -9, with every commit, even where another process got its pid', async () => {
    await start();
    await query('CREATE TABLE kept AS SELECT 42 AS answer');
    await endProcess(server.process, [['SIGKILL', 5_000]]);
    const file = join(server.dataDir, 'postmaster.pid');
    expect(readPostmasterFile(server.dataDir)?.pid).toBe(server.process.pid);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(process.pid)));
    expect(findEmbeddedPostgres(join(home, 'postgres'))).toBeUndefined();
    await start();
    expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('begins again when the first initialisation was cut off', async () => {
    await start();
    const data = server.dataDir;
    await server.stop();
    rmSync(data, { recursive: true });
    execFileSync('mkdir', ['-p', `${data}.unfinished/base`]);
    await start();
    expect(await query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(existsSync(`${data}.unfinished`)).toBe(false);
  });

  it('moves to another port when told to', async () => {
    await start();
    const before = server;
    port = await freePort();
    await start();
    expect(isSameProcess(before.process)).toBe(false);
    expect(await query('SHOW port')).toEqual([{ port: String(port) }]);
  });

  it('never deletes the data of an earlier home at the same place', async () => {
    await start();
    const link = join(home, 'postgres');
    if (process.getuid?.() !== 0) return; // only root's data lives outside its home
    await server.stop();
    rmSync(link);
    const notices: string[] = [];
    await start((text) => notices.push(text));
    const aside = /moved to (.*)$/.exec(notices[0] ?? '')?.[1] ?? '';
    expect(existsSync(join(aside, 'data', 'PG_VERSION'))).toBe(true);
  });
});
