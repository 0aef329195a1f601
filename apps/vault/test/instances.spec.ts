import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  deleteCredential,
  describeCredential,
  retrieveCredential,
  storeCredential,
} from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import type { RunningService } from '@keymesh/service-kit';
import { expectCode } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import type { VaultConfig } from '../src/config.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

describe('two instances', () => {
  let world: VaultWorld;
  let writer: Caller;
  let reader: Caller;
  let instances: RunningService<VaultConfig>[];

  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    reader = await world.addClient('reader', ['reader']);
    instances = [await world.startVault(), await world.startVault()];
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  it('answer nobody with less than what a write has already been answered with', async () => {
    for (let round = 0; round < 60; round += 1) {
      const value = `${API_KEY}-${String(round)}`;
      const stored = await writer.call(storeCredential, {
        name: 'shared',
        type: 'api_key',
        values: { value: text(value) },
        ...(round === 0 ? {} : { expectedVersion: 'any' as const }),
      });
      const replies = await Promise.all(
        Array.from({ length: 6 }, () => reader.call(retrieveCredential, { name: 'shared' })),
      );
      for (const reply of replies) {
        expect(reply.revision).toBeGreaterThanOrEqual(stored.revision);
        expect(textOf(reply.values.value)).toBe(value);
        expect(reply.stale).toBe(false);
      }
    }
    // Both took part, else this proves nothing.
    for (const { kit } of instances) {
      const served = await kit.metrics.operations.get();
      const retrieved = served.values.filter(({ labels }) => labels.operation === 'retrieveCredential');
      expect(retrieved.reduce((sum, { value }) => sum + value, 0)).toBeGreaterThan(30);
    }
  }, 60_000);

  it('know a new name and forget a deleted one before the write is answered', async () => {
    for (let round = 0; round < 15; round += 1) {
      const name = `short-lived-${String(round)}`;
      await expectCode(reader.call(retrieveCredential, { name }), 'CREDENTIAL_NOT_FOUND');
      await writer.call(storeCredential, { name, type: 'api_key', values: { value: text(API_KEY) } });
      await Promise.all(Array.from({ length: 4 }, () => reader.call(describeCredential, { name })));
      const since = performance.now();
      await writer.call(deleteCredential, { name });
      // Acknowledged by the other instance, not waited out.
      expect(performance.now() - since).toBeLessThan(900);
      await Promise.all(
        Array.from({ length: 4 }, () =>
          expectCode(reader.call(retrieveCredential, { name }), 'CREDENTIAL_NOT_FOUND'),
        ),
      );
    }
  }, 60_000);

  it('wait out a second where an instance has gone without a word', async () => {
    const third = await world.startVault();
    await writer.call(storeCredential, { name: 'last', type: 'api_key', values: { value: text(API_KEY) } });
    await third.stop();
    const since = performance.now();
    await writer.call(deleteCredential, { name: 'last' });
    expect(performance.now() - since).toBeGreaterThan(900);
  }, 60_000);
});
