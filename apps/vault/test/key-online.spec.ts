import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  keyJob,
  keyStatus,
  reencryptNamespace,
  retrieveCredential,
  rewrapKeys,
  rotateKey,
  storeCredential,
} from '@keymesh/contracts';
import type { Caller } from '@keymesh/mesh';
import type { RunningService } from '@keymesh/service-kit';
import { eventually } from '@keymesh/testing';
import type { VaultConfig } from '../src/config.js';
import { text, textOf } from './fakes.js';
import { fsckWorld } from './support/fsck-world.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const CREDENTIALS = process.env.SLOW === '1' ? 5_000 : 1_200;
const READERS = 8;
const valueOf = (at: number): string => `value-of-${String(at)}`;
const nameOf = (at: number): string => `shop/c${String(at)}`;

let world: VaultWorld;
let keeper: Caller;
let instances: RunningService<VaultConfig>[];

beforeAll(async () => {
  world = await startVaultWorld();
  keeper = await world.addClient('keeper', ['operator']);
  instances = [await world.startVault(), await world.startVault()];
  let next = 0;
  const write = async (): Promise<void> => {
    for (let at = next++; at < CREDENTIALS; at = next++)
      await keeper.call(
        storeCredential,
        { name: nameOf(at), type: 'generic', values: { value: text(valueOf(at)) } },
        { deadlineMs: 20_000 },
      );
  };
  await Promise.all(Array.from({ length: 24 }, write));
}, 180_000);
afterAll(() => world.stop(), 60_000);

it('reads and stores go on during a rewrap and a reencrypt of everything, on both instances, without one failure', async () => {
  const stop = new AbortController();
  let reads = 0;
  const wrong: unknown[] = [];
  const read = async (who: number): Promise<void> => {
    for (let at = who; !stop.signal.aborted; at = (at + 37) % CREDENTIALS) {
      try {
        const { values } = await keeper.call(
          retrieveCredential,
          { name: nameOf(at) },
          { deadlineMs: 20_000 },
        );
        if (textOf(values.value) !== valueOf(at)) wrong.push(at);
        reads += 1;
      } catch (error) {
        wrong.push(error);
      }
    }
  };
  let stores = 0;
  const store = async (): Promise<void> => {
    for (; !stop.signal.aborted; stores += 1) {
      const at = (stores * 101) % CREDENTIALS;
      await keeper
        .call(
          storeCredential,
          { name: nameOf(at), type: 'generic', values: { value: text(valueOf(at)) }, expectedVersion: 'any' },
          { deadlineMs: 20_000 },
        )
        .catch((error: unknown) => wrong.push(error));
    }
  };
  const traffic = Promise.all([...Array.from({ length: READERS }, (_, who) => read(who)), store()]);

  const ended = (jobId: string) =>
    eventually(
      async () =>
        expect(await keeper.call(keyJob, { jobId }, { deadlineMs: 20_000 })).toMatchObject({
          ...{ state: 'completed', damaged: 0, error: null },
        }),
      { timeoutMs: 120_000 },
    );
  await keeper.call(rotateKey, { namespace: 'shop' }, { deadlineMs: 20_000 });
  const before = reads;
  const { jobs } = await keeper.call(rewrapKeys, { namespace: 'shop' }, { deadlineMs: 20_000 });
  await ended(jobs[0]!.jobId);
  const { job } = await keeper.call(reencryptNamespace, { namespace: 'shop' }, { deadlineMs: 20_000 });
  await ended(job.jobId);
  const during = reads - before;
  stop.abort();
  await traffic;

  expect(wrong).toEqual([]);
  // It was while the jobs ran, and both took part: else this proves nothing.
  expect(during).toBeGreaterThan(100);
  expect(stores).toBeGreaterThan(10);
  const { keks } = await keeper.call(keyStatus, { namespace: 'shop' });
  expect(keks.map(({ rows }) => rows)).toEqual([0, CREDENTIALS + stores]);
  const batches = await Promise.all(
    instances.map(async ({ kit }) => {
      const { values } = await kit.metrics.operations.get();
      return values
        .filter(({ labels }) => labels.operation === 'retrieveCredential')
        .reduce((sum, { value }) => sum + value, 0);
    }),
  );
  for (const served of batches) expect(served).toBeGreaterThan(20);
  expect(await fsckWorld(world)).toEqual([]);
}, 300_000);
