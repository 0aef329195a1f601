import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  deleteCredential,
  describeCredential,
  keyJob,
  listCredentials,
  lockVault,
  retrieveCredential,
  rewrapKeys,
  rotateKey,
  storeCredential,
  unlockVault,
  vaultStatus,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const TIMES = 12; // so many asks reach both instances
const SOON = { timeoutMs: 15_000 };

describe('the lock of a vault of two instances', () => {
  let world: VaultWorld;
  let keeper: Caller;
  let reader: Caller;
  beforeAll(async () => {
    world = await startVaultWorld();
    keeper = await world.addClient('keeper', ['operator']);
    reader = await world.addClient('reader', ['reader']);
    await world.startVault();
    await world.startVault();
    await eventually(
      () => each(async () => expect((await keeper.call(vaultStatus, {})).others).toHaveLength(1)),
      SOON,
    );
    await keeper.call(storeCredential, { name: 'a', type: 'api_key', values: { value: text(API_KEY) } });
    await keeper.call(storeCredential, { name: 'b', type: 'api_key', values: { value: text(API_KEY) } });
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  const each = (work: () => Promise<unknown>) => Promise.all(Array.from({ length: TIMES }, work));
  const expectLocked = () =>
    each(() => expectCode(reader.call(retrieveCredential, { name: 'a' }), 'VAULT_LOCKED'));
  const expectOpen = () =>
    each(async () =>
      expect(textOf((await reader.call(retrieveCredential, { name: 'a' })).values.value)).toBe(API_KEY),
    );
  const put = (row: Record<string, unknown>) =>
    world.rows.query(
      'UPDATE lock_state SET locked = $1, revision = $2, changed_by = $3, changed_at = $4, row_mac = $5',
      [row.locked, row.revision, row.changed_by, row.changed_at, row.row_mac],
    );
  const lock = () => keeper.call(lockVault, {});
  const unlock = () => keeper.call(unlockVault, {});

  it('holds on both once it is answered: no value comes out any more, whatever was under way', async () => {
    await expectOpen();
    let answered = false;
    let after = 0;
    let reads = 0;
    const stop = new AbortController();
    const reading = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!stop.signal.aborted) {
          const wasAnswered = answered;
          try {
            (await reader.call(retrieveCredential, { name: 'a' })).values.value?.dispose();
            reads += 1;
            if (wasAnswered) after += 1;
          } catch (error) {
            if (!KeymeshError.is(error) || error.code !== 'VAULT_LOCKED') throw error;
          }
        }
      }),
    );
    await eventually(() => expect(reads).toBeGreaterThan(50), SOON);
    const { locked, reason, changedBy, instances } = await lock();
    answered = true;
    expect({ locked, reason, changedBy }).toEqual({ locked: true, reason: 'command', changedBy: 'keeper' });
    expect(instances.map(({ obeyed }) => obeyed)).toEqual([true, true]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    stop.abort();
    await reading;
    expect(after).toBe(0);
    await expectLocked();
  });

  it('refuses whatever needs a key, and goes on with what needs none', async () => {
    for (const ask of [
      () => keeper.call(storeCredential, { name: 'c', type: 'api_key', values: { value: text(API_KEY) } }),
      () => keeper.call(rotateKey, { namespace: 'default' }),
    ])
      await expectCode(ask(), 'VAULT_LOCKED');
    expect((await keeper.call(listCredentials, {})).credentials).toHaveLength(2);
    expect((await reader.call(describeCredential, { name: 'a' })).version).toBe(1);
    await keeper.call(deleteCredential, { name: 'b' });
    expect(await keeper.call(vaultStatus, {})).toMatchObject({ locked: true, reason: 'command' });
    await expectCode(reader.call(lockVault, {}), 'DENIED');
    await expectCode(reader.call(unlockVault, {}), 'DENIED');
  });

  it('lets key jobs wait, which go on when it is unlocked', async () => {
    const { jobs } = await keeper.call(rewrapKeys, {});
    const job = () => keeper.call(keyJob, { jobId: jobs[0]!.jobId });
    await eventually(
      async () => expect(await job()).toMatchObject({ state: 'running', error: 'VAULT_LOCKED' }),
      SOON,
    );
    expect(await unlock()).toMatchObject({ locked: false, reason: null });
    await expectOpen();
    await eventually(
      async () => expect(await job()).toMatchObject({ state: 'completed', error: null }),
      SOON,
    );
  });

  it('outlives restarts: an instance that comes up finds itself locked', async () => {
    await lock();
    await world.stopVaults();
    await world.startVault();
    await world.startVault();
    await expectLocked();
    await unlock();
    await expectOpen();
  });

  it('is read again all the time, not only when somebody tells of it', async () => {
    await lock();
    const [locked] = await world.rows.query<Record<string, unknown>[]>('SELECT * FROM lock_state');
    await unlock();
    const [open] = await world.rows.query<Record<string, unknown>[]>('SELECT * FROM lock_state');
    await expectOpen();
    // An older row is not believed, whatever it says: that locks as well.
    await put(locked!);
    await eventually(expectLocked, SOON);
    expect(await keeper.call(vaultStatus, {})).toMatchObject({ locked: true, reason: 'unreadable' });
    await put(open!);
    await eventually(expectOpen, SOON);
  });

  it('fails closed for a row that was changed by hand, until an operator unlocks the vault', async () => {
    await lock();
    await world.rows.query('UPDATE lock_state SET locked = false');
    await eventually(
      async () =>
        expect(await keeper.call(vaultStatus, {})).toMatchObject({ locked: true, reason: 'unreadable' }),
      SOON,
    );
    await expectLocked();
    await expect(world.rows.query('DELETE FROM lock_state')).rejects.toThrow();
    expect(await unlock()).toMatchObject({ locked: false });
    await expectOpen();
  });

  it('says which instance did not answer', async () => {
    const third = await world.startVault();
    await eventually(async () => expect((await keeper.call(vaultStatus, {})).others).toHaveLength(2), SOON);
    await third.stop();
    const { instances } = await lock();
    expect(instances.filter(({ obeyed }) => !obeyed)).toHaveLength(1);
    expect(instances.filter(({ obeyed }) => obeyed)).toHaveLength(2);
    await unlock();
  });

  it('is on after a start with KEYMESH_START_LOCKED, until somebody unlocks the vault', async () => {
    await world.stopVaults();
    await world.startVault({ KEYMESH_START_LOCKED: 'true' });
    await world.startVault({ KEYMESH_START_LOCKED: 'true' });
    expect(await keeper.call(vaultStatus, {})).toMatchObject({ locked: true, reason: 'start' });
    await expectLocked();
    await unlock();
    await expectOpen();
  });
});
