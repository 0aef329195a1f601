import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeCredential, retrieveCredential, storeCredential } from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import { limitJournal } from './support/limit-journal.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

describe('when something is away', () => {
  let world: VaultWorld;
  let writer: Caller;
  let reader: Caller;
  let stranger: Caller;
  const store = (name: string) =>
    writer.call(storeCredential, { name, type: 'api_key', values: { value: text(API_KEY) } });
  const retrieve = (name = 'known') => reader.call(retrieveCredential, { name });

  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    reader = await world.addClient('reader', ['reader']);
    stranger = await world.addClient('stranger', ['plain-reply']);
    await world.startVaultProcess();
    await store('known');
    await store('never-read');
    await retrieve();
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  it('the journal: no value leaves, not even a metadata read; a store is taken and recorded later', async () => {
    const journal = await limitJournal(world.mesh);
    await journal.refuse();
    try {
      await expectCode(retrieve(), 'AUDIT_UNAVAILABLE');
      await expectCode(reader.call(describeCredential, { name: 'known' }), 'AUDIT_UNAVAILABLE');
      await expectCode(stranger.call(retrieveCredential, { name: 'known' }), 'AUDIT_UNAVAILABLE');
      await expectCode(stranger.call(retrieveCredential, { name: 'absent' }), 'AUDIT_UNAVAILABLE');
      expect((await store('during')).version).toBe(1);
    } finally {
      await journal.accept();
    }
    expect(textOf((await eventually(() => retrieve('during'))).values.value)).toBe(API_KEY);
    await eventually(
      async () => {
        const [row] = await world.rows.query<{ waiting: string }[]>(
          'SELECT count(*) AS waiting FROM outbox WHERE published_at IS NULL',
        );
        expect(row?.waiting).toBe('0');
      },
      { timeoutMs: 15_000 },
    );
  }, 60_000);

  it('Postgres: what was read is served on, marked stale; everything else says STORE_UNAVAILABLE; and it comes back', async () => {
    await world.postgres.kill();
    try {
      await eventually(async () => expect((await retrieve()).stale).toBe(true));
      expect(textOf((await retrieve()).values.value)).toBe(API_KEY);
      await expectCode(retrieve('never-read'), 'STORE_UNAVAILABLE');
      await expectCode(retrieve('absent'), 'STORE_UNAVAILABLE');
      await expectCode(stranger.call(retrieveCredential, { name: 'known' }), 'STORE_UNAVAILABLE');
      await expectCode(store('new'), 'STORE_UNAVAILABLE');
    } finally {
      await world.postgres.restart();
    }
    await eventually(async () => expect((await retrieve()).stale).toBe(false), { timeoutMs: 15_000 });
    await eventually(() => store('new'), { timeoutMs: 15_000 });
    expect(textOf((await retrieve('never-read')).values.value)).toBe(API_KEY);
  }, 60_000);

  it('the bus: everything comes back by itself', async () => {
    await world.mesh.server.kill();
    await world.mesh.server.restart();
    await eventually(async () => expect((await retrieve()).stale).toBe(false), { timeoutMs: 20_000 });
  }, 60_000);
});
