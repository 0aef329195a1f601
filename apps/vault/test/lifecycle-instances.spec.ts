import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  activateCredential,
  deactivateCredential,
  deleteCredential,
  destroyVersion,
  restoreCredential,
  retrieveCredential,
  storeCredential,
  updateCredential,
} from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const ROUNDS = 12;

describe('three instances, once a change is answered', () => {
  let world: VaultWorld;
  let operator: Caller;
  let reader: Caller;
  const store = (name: string, value = API_KEY) =>
    operator.call(storeCredential, {
      name,
      type: 'api_key',
      values: { value: text(value) },
      expectedVersion: 'any',
    });
  const retrieve = (name: string, version?: number) =>
    reader.call(retrieveCredential, { name, ...(version === undefined ? {} : { version }) });
  /** More asks than instances, so that each of them gets some. */
  const everybody = (ask: () => Promise<unknown>) => Promise.all(Array.from({ length: 8 }, ask));

  beforeAll(async () => {
    world = await startVaultWorld();
    operator = await world.addClient('operator-1', ['operator']);
    reader = await world.addClient('reader', ['reader']);
    for (let instance = 0; instance < 3; instance += 1) await world.startVault();
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  it('reveal nothing of a deactivated credential, and all of an activated one', async () => {
    await store('switch');
    for (let round = 0; round < ROUNDS; round += 1) {
      await everybody(() => retrieve('switch'));
      await operator.call(deactivateCredential, { name: 'switch' });
      await everybody(() => expectCode(retrieve('switch'), 'CREDENTIAL_INACTIVE'));
      await operator.call(activateCredential, { name: 'switch' });
      for (const reply of (await everybody(() => retrieve('switch'))) as { values: Record<string, never> }[])
        expect(textOf(reply.values.value)).toBe(API_KEY);
    }
  }, 90_000);

  it('reveal no byte of a destroyed version', async () => {
    await store('wiped', `${API_KEY}-0`);
    for (let round = 1; round <= ROUNDS; round += 1) {
      await store('wiped', `${API_KEY}-${String(round)}`);
      await everybody(() => retrieve('wiped', round));
      await operator.call(destroyVersion, { name: 'wiped', version: round });
      await everybody(() => expectCode(retrieve('wiped', round), 'VERSION_DESTROYED'));
      await everybody(() => retrieve('wiped'));
    }
  }, 90_000);

  it('forget what is deleted and know what is restored, also by another name', async () => {
    await store('life');
    for (let round = 0; round < ROUNDS; round += 1) {
      await operator.call(deleteCredential, { name: 'life' });
      await everybody(() => expectCode(retrieve('life'), 'CREDENTIAL_NOT_FOUND'));
      await expectCode(operator.call(deleteCredential, { name: 'life' }), 'CREDENTIAL_NOT_FOUND');
      await operator.call(restoreCredential, { name: 'life' });
      await everybody(() => retrieve('life'));
    }
    await operator.call(deleteCredential, { name: 'life' });
    await operator.call(restoreCredential, { name: 'life', as: 'afterlife' });
    await everybody(() => retrieve('afterlife'));
    await everybody(() => expectCode(retrieve('life'), 'CREDENTIAL_NOT_FOUND'));
  }, 90_000);

  it('decide by what an update says', async () => {
    await store('tagged');
    await operator.call(updateCredential, { name: 'tagged', tags: { add: ['prod'] }, label: 'Tagged' });
    await everybody(async () => expect((await retrieve('tagged')).version).toBe(1));
  }, 60_000);

  it('give notice of an expiry that is near, as record and event', async () => {
    const { credentialId } = await store('short');
    const expiresAt = new Date(Date.now() + 3_000).toISOString();
    await operator.call(updateCredential, { name: 'short', expiresAt });
    const notices = async () => {
      const rows = await world.rows.query<{ what: string }[]>(
        `SELECT convert_from(payload, 'utf8')::jsonb->>'type' AS what FROM outbox
         WHERE kind = 'journal' AND convert_from(payload, 'utf8')::jsonb->'resource'->>'id' = $1
           AND convert_from(payload, 'utf8')::jsonb->>'type' LIKE 'credential.expir%' ORDER BY seq`,
        [credentialId],
      );
      return rows.map(({ what }) => what);
    };
    await eventually(async () => expect((await notices()).at(-1)).toBe('credential.expired'), {
      timeoutMs: 45_000,
    });
    expect(new Set(await notices()).size).toBe((await notices()).length);
    expect((await retrieve('short')).expired).toBe(true);
  }, 60_000);
});
