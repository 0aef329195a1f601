import { randomUUID } from 'node:crypto';
import { readdir, readFile, realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readChannelKey } from '@keymesh/channel';
import { describeChannel, HEADERS, retrieveCredential, SERVICES } from '@keymesh/contracts';
import { DAY, fromBase64Url, Secret } from '@keymesh/kernel';
import { callPlain } from '@keymesh/mesh';
import { holds, steal, takeFiles, type Recorded } from '@keymesh/testing';
import { openMeshDatabase } from './support/database.js';
import { connectOperator } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { connectWire } from './support/wire.js';

// Whoever owns the broker records what a client asks the vault, and gets the vault's disk later: Postgres with its log, the state key, the folder of
// channel keys. (What time does is shown with a clock that is turned in libs/service-kit/test/recorded-traffic.spec.ts; here a key's end is moved instead.)
const NAME = `recorded/${randomUUID()}`;

let mesh: RunningMesh;
let recorded: Recorded;

beforeAll(async () => {
  mesh = await startMesh();
  const { profile, keymesh } = await connectOperator(mesh);
  await keymesh.credentials.store({ name: NAME, type: 'generic', value: Buffer.from(randomUUID()) });
  await keymesh.close();
  const wire = await connectWire(profile);
  const { statements } = await callPlain(wire.connection, profile.principal, describeChannel.vault, {});
  const atMs = Date.now();
  const statement = readChannelKey(statements[0] ?? '', profile.meshPublicKey, 'vault', atMs);
  if (statement === undefined) throw new Error('the vault has no channel key');
  const asked = wire.seal(retrieveCredential, { name: NAME }, { deadlineMs: 5_000 });
  await wire.ask(asked);
  await wire.close();
  const header = (name: string): string => asked.head.get(name);
  recorded = {
    ...{ atMs, statement, subject: asked.subject, requestId: asked.requestId },
    setupHeader: header(HEADERS.channel),
    request: {
      sequence: Number(header(HEADERS.channelSequence)),
      deadlineMs: Number(header(HEADERS.deadlineMs)),
      partsHeader: header(HEADERS.parts),
      body: asked.body,
    },
  };
}, 240_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const keysFolder = (): string => join(mesh.home, 'channel-keys/vault');
async function takeDisk() {
  const database = await takeFiles(await realpath(join(mesh.home, 'postgres')));
  const text = await readFile(join(mesh.home, 'secrets/vault/state.key'), 'utf8');
  const stateKey = new Secret(fromBase64Url(text.trim()) ?? new Uint8Array(), 'state-key');
  return { database, everything: [...database, ...(await takeFiles(keysFolder()))], stateKey };
}

describe('traffic that was recorded', () => {
  it('opens with the whole disk while its key lives, and never with the database and the state key', async () => {
    const { database, everything, stateKey } = await takeDisk();
    expect(await steal(recorded, everything, stateKey)).toContain(NAME); // the control: the thief’s tool works on a real mesh
    expect(holds(database, recorded.statement.keyId)).toBe(true); // and looks where the key’s row is
    expect(await steal(recorded, database, stateKey)).toBeUndefined();
  });

  it('has left no private half in the database of any service', async () => {
    const database = await openMeshDatabase(mesh);
    for (const service of SERVICES) {
      const schema = service.replaceAll('-', '_');
      const { rows } = await database.admin(
        `SELECT count(*)::int AS keys, count(sealed_private_key)::int AS private FROM ${schema}.channel_key`,
        'keymesh',
      );
      expect(rows).toEqual([{ keys: 1, private: 0 }]);
      expect(await readdir(join(mesh.home, 'channel-keys', service))).toHaveLength(1);
    }
  });

  it('opens with nothing once its key has ended, though the disk has all the rest', async () => {
    await mesh.stop();
    const { keyId } = recorded.statement;
    for (const file of await readdir(keysFolder()))
      await rename(join(keysFolder(), file), join(keysFolder(), `${keyId}.${String(Date.now() - DAY)}`));
    await mesh.restart();
    expect((await readdir(keysFolder())).join()).not.toContain(keyId);
    const { everything, stateKey } = await takeDisk();
    expect(await steal(recorded, everything, stateKey)).toBeUndefined();
    expect((await mesh.cli(['retrieve', NAME])).code).toBe(0); // clients go on with a new key
  }, 240_000);
});
