import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  listRotatable,
  prepareVersion,
  promoteVersion,
  retrieveCredential,
  revealVersion,
  storeCredential,
  describeCredential,
  deleteCredential,
  listCredentials,
  credentialHistory,
} from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode, type TestPrincipal } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

describe('a credential goes round over the real bus, channel and database', () => {
  let world: VaultWorld;
  let writer: Caller;
  let reader: Caller;
  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    reader = await world.addClient('reader', ['reader']);
    await world.startVault({ KEYMESH_PLAIN_REPLY: 'allow' });
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  it('is stored by one and retrieved by another', async () => {
    const stored = await writer.call(storeCredential, {
      name: 'stripe',
      type: 'api_key',
      values: { value: text(API_KEY) },
    });
    const reply = await reader.call(retrieveCredential, { name: 'stripe' });
    expect(textOf(reply.values.value)).toBe(API_KEY);
    expect(reply).toMatchObject({
      credentialId: stored.credentialId,
      version: 1,
      revision: stored.revision,
      stale: false,
    });
    expect((await reader.call(describeCredential, { name: 'stripe' })).owner).toBe('writer');
    expect((await reader.call(listCredentials, {})).credentials).toHaveLength(1);
    expect((await reader.call(credentialHistory, { name: 'stripe' })).versions).toHaveLength(1);
    await expectCode(reader.call(deleteCredential, { name: 'stripe' }), 'DENIED');
    await writer.call(deleteCredential, { name: 'stripe' });
    await expectCode(reader.call(retrieveCredential, { name: 'stripe' }), 'CREDENTIAL_NOT_FOUND');
  });

  it('is rotated by the rotation service, step by step, while it can be read', async () => {
    const { credentialId } = await writer.call(storeCredential, {
      name: 'db',
      type: 'username_password',
      values: { username: text('ada') },
      generate: { lengthChars: 24 },
    });
    const rotation = await world.asRotation();
    const rotationId = randomUUID();
    expect((await rotation.call(listRotatable, {})).credentials.map(({ name }) => name)).toContain('db');
    const { version } = await rotation.call(prepareVersion, { credentialId, rotationId });
    const pending = await rotation.call(revealVersion, { credentialId, rotationId, version });
    expect((await reader.call(retrieveCredential, { name: 'db' })).version).toBe(1);
    await rotation.call(promoteVersion, { credentialId, rotationId, version });
    const now = await reader.call(retrieveCredential, { name: 'db' });
    expect(now.version).toBe(version);
    expect(textOf(now.values.password)).toBe(textOf(pending.values.password));
    await expectCode(writer.call(prepareVersion, { credentialId, rotationId }), 'DENIED');
  });

  it('is handed to a plain NATS client too, by the same operation, if its role allows a plain reply', async () => {
    await writer.call(storeCredential, { name: 'plain', type: 'api_key', values: { value: text(API_KEY) } });
    const ask = async (principal: TestPrincipal) => {
      const { nats } = await world.mesh.connectAs(principal);
      const subject = `keymesh.v1.rpc.${principal.name}.vault.credential.retrieve`;
      return eventually(async () => {
        const reply = await nats.request(subject, JSON.stringify({ name: 'plain' }));
        if (reply.headers?.get('Nats-Service-Error-Code') === '503')
          throw new Error('the bundle is not there yet');
        return reply;
      });
    };
    const allowed = await ask(await world.addPrincipal('plain-one', ['reader', 'plain-reply']));
    const [jsonBytes] = (allowed.headers?.get('Keymesh-Parts') ?? '').split(',').map(Number);
    expect(Buffer.from(allowed.data.subarray(jsonBytes)).toString()).toBe(API_KEY);
    const refused = await ask(await world.addPrincipal('plain-two', ['reader']));
    expect(refused.headers?.get('Nats-Service-Error-Code')).toBe('401');
    expect(Buffer.from(refused.data).toString()).not.toContain(API_KEY);
  });

  it('leaves its records in the journal and its outbox published', async () => {
    await eventually(async () => {
      const [row] = await world.rows.query<{ waiting: string; sent: string }[]>(
        'SELECT count(*) FILTER (WHERE published_at IS NULL) AS waiting, count(*) AS sent FROM outbox',
      );
      expect(row).toMatchObject({ waiting: '0' });
      expect(Number(row?.sent)).toBeGreaterThanOrEqual(4);
    });
  });

  it('is nowhere in the database in the clear', async () => {
    await writer.call(storeCredential, { name: 'canary', type: 'api_key', values: { value: text(API_KEY) } });
    const [row] = await world.rows.query<{ dump: string }[]>(
      `SELECT string_agg(v::text, '') || (SELECT string_agg(c::text, '') FROM credential c) || (SELECT string_agg(o::text, '') FROM outbox o) AS dump FROM credential_version v`,
    );
    expect(row?.dump).toContain('canary'); // the control: it is the right haystack
    for (const form of [
      API_KEY,
      Buffer.from(API_KEY).toString('hex'),
      Buffer.from(API_KEY).toString('base64'),
    ]) {
      expect(row?.dump).not.toContain(form);
    }
  });
});
