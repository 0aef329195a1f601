import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh, type Profile } from '@keymesh/client';
import { describeCredential, HEADERS, listPrincipals, type AnomalyFinding } from '@keymesh/contracts';
import { fromBase64Url, Secret, toBase64Url } from '@keymesh/kernel';
import { connectMesh, type MeshConnection } from '@keymesh/mesh';
import { eventually } from '@keymesh/testing';
import { createUser } from '@nats-io/nkeys';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { codeOf, connectWire, type WireClient, type WireRequest } from './support/wire.js';

// Whoever guesses is slowed and seen, and keeps nobody else out: neither the principal it names, nor anybody at its address. The detector runs
// with its own settings: what a stranger does in somebody's name must not have that principal locked.
const NAME = 'guessed/at';
const ATTEMPTS = 40;

let mesh: RunningMesh;
let operator: Keymesh;
let victim: WireClient;
let attacker: WireClient;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  victim = await connectWire(await enrolAs(mesh, first, 'victim', ['reader']));
  attacker = await connectWire(await enrolAs(mesh, first, 'attacker', ['reader']));
  open.push(victim, attacker);
  await operator.credentials.store({ name: NAME, type: 'api_key', value: `Gs1-${randomUUID()}` });
}, 150_000);
afterAll(async () => {
  await Promise.all(open.map((client) => client.close()));
  await operator.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const asksFor = (client: WireClient): WireRequest => client.seal(describeCredential, { name: NAME });
const codeFrom = async (client: WireClient, request = asksFor(client)): Promise<string> =>
  codeOf(client.read(request, await client.ask(request)));
/** A session of its own, and its first answer. */
async function codeOfNewSession(profile: Profile): Promise<string> {
  const client = await connectWire(profile);
  open.push(client);
  return codeFrom(client);
}

/** Sends set-ups that `of` would sign, with another signature each. */
async function forgeSetups(of: WireClient): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const request = asksFor(attacker);
    const header = fromBase64Url(asksFor(of).head.get(HEADERS.channel))!;
    header[header.length - 1 - (attempt % 32)]! ^= 1 + attempt;
    request.head.set(HEADERS.channel, toBase64Url(header));
    const reply = await attacker.ask(request);
    expect(reply.headers?.get(HEADERS.serviceError)).toMatch(/^CHANNEL_REJECTED/);
  }
}

describe('channel set-ups that are not proven', () => {
  it('in the victim’s name count against neither', async () => {
    await forgeSetups(victim);
    expect(await codeFrom(victim)).toBe('none');
    expect(await codeOfNewSession(victim.profile)).toBe('none');
    expect(await codeOfNewSession(attacker.profile)).toBe('none');
  }, 60_000);

  it('in the own name hold off new sessions for a while, not the open one, nor anybody else', async () => {
    expect(await codeFrom(attacker)).toBe('none'); // the vault has accepted its session
    await forgeSetups(attacker);
    expect(await codeOfNewSession(attacker.profile)).toBe('CHANNEL_REJECTED');
    expect(await codeFrom(attacker)).toBe('none');
    expect(await codeOfNewSession(victim.profile)).toBe('none');
    await eventually(async () => expect(await codeOfNewSession(attacker.profile)).toBe('none'), {
      timeoutMs: 90_000,
    });
    const { httpPort } = JSON.parse(await readFile(join(mesh.home, 'run/vault.ready.json'), 'utf8')) as {
      httpPort: number;
    };
    const text = await (await fetch(`http://127.0.0.1:${String(httpPort)}/metrics`)).text();
    expect(text).toMatch(/keymesh_channel_lockouts_total\{.*\} [1-9]/);
  }, 120_000);
});

describe('connections that are not proven', () => {
  it('in the victim’s name, from its own address, do not keep it out, nor have it locked', async () => {
    const reading = await connect({ profile: victim.profile });
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const nkeySeed = new Secret(createUser().getSeed(), 'nkey-seed');
      const tried: Promise<MeshConnection> = connectMesh({
        servers: victim.profile.natsUrl,
        nkeySeed,
        principal: 'victim',
      });
      await expect(tried).rejects.toThrow();
    }
    (await reading.credentials.retrieve(NAME)).dispose();
    await reading.close();
    expect(await codeOfNewSession(victim.profile)).toBe('none');
  }, 60_000);

  it('are in the log and a finding, and the victim is as it was', async () => {
    await eventually(
      async () => {
        const log = await readLog(operator);
        expect(log.filter(({ type }) => type === 'attempts.locked-out')[0]).toMatchObject({
          outcome: 'failure',
          facts: { what: 'stranger' },
        });
        const channels = log.filter(({ type }) => type === 'channel.refused');
        expect(channels).not.toHaveLength(0);
        expect(new Set(channels.map(({ principal }) => principal))).toEqual(new Set(['attacker']));
        const strange = log.filter(
          ({ type, facts }) => type === 'connection.refused' && facts?.reason !== 'network',
        );
        expect(new Set(strange.map(({ principal }) => principal))).toEqual(new Set([undefined]));
        const { stdout } = await mesh.cli(['findings', '--json']);
        const findings = JSON.parse(stdout.toString('utf8')) as AnomalyFinding[];
        expect(findings.map(({ kind }) => kind)).toContain('failed-attempts');
        expect(findings.filter(({ kind }) => kind === 'denied-burst')).toEqual([]);
      },
      { timeoutMs: 30_000 },
    );
    const { principals } = await operator.call(listPrincipals, {});
    for (const { name, status } of principals) expect([name, status]).toEqual([name, 'active']);
  }, 60_000);
});
