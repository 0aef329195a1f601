import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Profile } from '@keymesh/client';
import { Secret } from '@keymesh/kernel';
import { connectMesh } from '@keymesh/mesh';
import { eventually, expectCode, makeCertificate, startNatsServer } from '@keymesh/testing';
import { createUser } from '@nats-io/nkeys';
import { meshStatus } from './support/kill.js';
import { startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';

// A mesh that ran in plain, started again with KEYMESH_NATS_TLS=on: everything that speaks to its NATS server speaks TLS from then on.
const NAME = 'tls/one';
const value = randomBytes(40).toString('hex');
let before: RunningMesh;
let mesh: RunningMesh;

const ok = async (args: readonly string[], input?: string): Promise<string> => {
  const result: CommandResult = await mesh.cli(args, input === undefined ? {} : { input });
  if (result.code !== 0) throw new Error(`keymesh ${args.join(' ')}: ${result.stderr}`);
  return result.stdout.toString();
};
const store = (name: string, ...more: string[]) => ok(['store', name, '--type', 'generic', ...more], value);
const profileOf = async (name: string): Promise<Profile> =>
  JSON.parse(await readFile(join(mesh.home, 'profiles', `${name}.json`), 'utf8')) as Profile;
const portOf = (url: string): number => Number(new URL(url).port);

beforeAll(async () => {
  before = await startMesh();
  mesh = before;
  await store(NAME);
  await before.stop();
  mesh = await startMesh({ home: before.home, env: { KEYMESH_NATS_TLS: 'on' } });
}, 580_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
  await before[Symbol.asyncDispose]();
}, 120_000);

/** Forwards to a NATS server and keeps every byte of both directions: who listens on the wire. */
async function startWiretap(port: number) {
  const sockets = new Set<Socket>();
  const heard: Buffer[] = [];
  const server = createServer((client) => {
    const upstream = connectTcp(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => from.destroy());
      from.on('data', (chunk) => {
        heard.push(chunk);
        to.write(chunk);
      });
      from.on('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    text: () => Buffer.concat(heard).toString('latin1'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a mesh with TLS', () => {
  it('goes on with what it had, and profiles know its new address and its authority', async () => {
    expect(mesh.natsUrl).toMatch(/^tls:\/\/127\.0\.0\.1:/);
    expect(await profileOf('operator')).toMatchObject({
      natsUrl: mesh.natsUrl,
      tls: { caFile: join(mesh.home, 'nats/tls/authority.pem') },
    });
    expect(await ok(['retrieve', NAME])).toBe(value);
  }, 240_000);

  it('goes round: enrolment, store, retrieve, and a change of what somebody may', async () => {
    const created = JSON.parse(
      await ok(['principal', 'create', 'billing', '--role', 'reader', '--json']),
    ) as {
      token: string;
    };
    await ok(['enrol', '--token', created.token]);
    expect(await ok(['retrieve', NAME, '--profile', 'billing'])).toBe(value);
    await expect(store('tls/two', '--profile', 'billing')).rejects.toThrow('DENIED');
    await ok(['grant', 'billing', 'writer']);
    await store('tls/two', '--profile', 'billing');
    await ok(['ungrant', 'billing', 'writer']);
    await expect(store('tls/three', '--profile', 'billing')).rejects.toThrow('DENIED');
    await ok(['audit', 'verify']);
  }, 240_000);

  it('comes back with TLS when its NATS server is killed', async () => {
    const { pid } = (await meshStatus(mesh)).services.nats;
    process.kill(pid!, 'SIGKILL');
    await eventually(async () => expect((await meshStatus(mesh)).services.nats.pid).not.toBe(pid), {
      timeoutMs: 120_000,
    });
    await mesh.ready();
    await eventually(async () => expect(await ok(['retrieve', NAME])).toBe(value), { timeoutMs: 120_000 });
  }, 240_000);
});

describe('its NATS server', () => {
  const nkeySeed = Secret.fromText(Buffer.from(createUser().getSeed()).toString(), 'nkey-seed');
  const reach = (servers: string, caFile?: string) =>
    connectMesh({
      servers,
      nkeySeed,
      principal: 'nobody',
      ...(caFile === undefined ? {} : { tls: { caFile } }),
    });

  it('is refused by a client that does not know its authority, which says what to do', async () => {
    const other = join(mesh.home, 'other.pem');
    await writeFile(other, makeCertificate({ commonName: 'other', isAuthority: true }).pem);
    const plainAddress = mesh.natsUrl.replace('tls:', 'nats:');
    for (const work of [reach(mesh.natsUrl), reach(mesh.natsUrl, other), reach(plainAddress)])
      await expect(work).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        publicMessage: expect.stringContaining('certificate') as unknown,
      });
    // The control: with it, it is the mesh that says no.
    await expectCode(reach(mesh.natsUrl, join(mesh.home, 'nats/tls/authority.pem')), 'DENIED');
    // And a person hears the same.
    const { tls: _, ...rest } = await profileOf('operator');
    const path = join(mesh.home, 'profiles/without.json');
    await writeFile(path, JSON.stringify({ ...rest, name: 'without' }), { mode: 0o600 });
    expect(await mesh.cli(['list', '--profile', 'without'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('certificate') as unknown,
    });
  }, 240_000);

  it('takes no word in plain', async () => {
    const socket = connectTcp(portOf(mesh.natsUrl), '127.0.0.1');
    let said = '';
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      if (said.endsWith('\r\n') && !said.includes('-ERR'))
        socket.write('CONNECT {"verbose":true,"pedantic":false}\r\nPING\r\n');
    });
    socket.on('error', () => undefined);
    await once(socket, 'close');
    expect(said).toMatch(/^INFO \{/);
    expect(said).not.toMatch(/PONG|\+OK/);
  }, 240_000);

  it('says nothing to who listens but its greeting', async () => {
    const PLAIN = /CONNECT \{|\b(?:PUB|HPUB|SUB|MSG|HMSG) |keymesh\.v1\.|_INBOX/;
    {
      // The control: what a wiretap hears of a server without TLS.
      const server = await startNatsServer();
      await using tap = await startWiretap(server.port);
      const connection = await reach(`nats://127.0.0.1:${String(tap.port)}`);
      connection.nats.publish('keymesh.v1.spec');
      await connection.close();
      expect(tap.text()).toMatch(PLAIN);
      await server.stop();
    }
    await using tap = await startWiretap(portOf(mesh.natsUrl));
    const profile = { ...(await profileOf('operator')), natsUrl: `tls://127.0.0.1:${String(tap.port)}` };
    const keymesh = await connect({ profile });
    const got = await keymesh.credentials.retrieve(NAME);
    expect(got.name).toBe(NAME);
    await keymesh.close();
    const [, afterGreeting] = /^INFO \{[^\r]*\r\n([^]*)$/.exec(tap.text()) ?? [];
    expect(afterGreeting?.length).toBeGreaterThan(2_000);
    expect(afterGreeting).not.toMatch(PLAIN);
    expect(afterGreeting).not.toContain(NAME);
  }, 240_000);
});
