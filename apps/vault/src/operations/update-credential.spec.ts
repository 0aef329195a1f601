import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RequestInput, updateCredential } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

describe('updateCredential', () => {
  let vault: TestVault;
  const update = (more: Omit<RequestInput<typeof updateCredential>, 'name'>, principal = 'writer') =>
    vault.operations.updateCredential({ name: 'key', ...more }, callBy(principal));

  beforeEach(async () => {
    vault = makeTestVault();
    await vault.operations.storeCredential(
      {
        name: 'key',
        type: 'api_key',
        values: { value: text(API_KEY) },
        tags: ['a', 'b'],
        description: 'old',
      },
      callBy('writer'),
    );
  });

  it('changes what it names, clears with null, leaves the rest, and waits for every instance', async () => {
    const expiresAt = new Date(vault.clock.now() + 5 * DAY).toISOString();
    expect(
      await update({ label: 'Stripe', description: null, sensitivity: 'high', owner: 'reader', expiresAt }),
    ).toMatchObject({
      label: 'Stripe',
      description: null,
      sensitivity: 'high',
      owner: 'reader',
      expiresAt,
      tags: ['a', 'b'],
      version: 1,
    });
    expect((await update({ label: null, expiresAt: null })).label).toBeNull();
    expect(vault.tables.told.at(-1)).toMatchObject({ name: 'key', awaitEveryone: true });
  });

  it('sets, adds and removes tags, each once and in order, at most 32', async () => {
    expect((await update({ tags: { add: ['c', 'a'], remove: ['b'] } })).tags).toEqual(['a', 'c']);
    expect((await update({ tags: { set: ['z', 'y', 'z'] } })).tags).toEqual(['y', 'z']);
    const many = Array.from({ length: 31 }, (_, at) => `t${String(at)}`);
    await expectCode(update({ tags: { add: many } }), 'BAD_REQUEST');
  });

  it('happens to the expected revision only', async () => {
    const { revision } = await update({ label: 'one' });
    await update({ label: 'two', expectedRevision: revision });
    await expectCode(update({ label: 'three', expectedRevision: revision }), 'VERSION_CONFLICT');
  });

  it('records which fields it spoke of, never what they say', async () => {
    await update({ label: 'Stripe-of-billing', tags: { add: ['c'] } });
    const { payload } = vault.tables.tables().outbox.at(-1)!;
    const record = Buffer.from(payload).toString();
    expect(JSON.parse(record)).toMatchObject({ type: 'credential.updated', facts: { fields: 'label,tags' } });
    expect(record).not.toContain('Stripe-of-billing');
  });

  it('lets nobody write away what a policy forbids by, nor into what it would forbid', async () => {
    vault.policy.forbid = ({ action, resource }) =>
      action === 'update' && ((resource.attributes.tags ?? []) as string[]).includes('locked');
    await expectCode(update({ tags: { add: ['locked'] } }), 'DENIED');
    vault.policy.forbid = () => false;
    await update({ tags: { add: ['locked'] } });
    vault.policy.forbid = ({ action, resource }) =>
      action === 'update' && ((resource.attributes.tags ?? []) as string[]).includes('locked');
    await expectCode(update({ tags: { remove: ['locked'] } }), 'DENIED');
  });

  it('refuses an owner that there is not, and to change nothing', async () => {
    await expectCode(update({ owner: 'ghost' }), 'BAD_REQUEST');
    await expectCode(update({}), 'BAD_REQUEST');
  });

  it('says DENIED to a reader and CREDENTIAL_NOT_FOUND to who may not know of it', async () => {
    await expectCode(update({ label: 'x' }, 'reader'), 'DENIED');
    await expectCode(update({ label: 'x' }, 'nobody'), 'CREDENTIAL_NOT_FOUND');
    expect(vault.journaled.map(({ record }) => record.outcome)).toEqual(['denied', 'denied']);
  });
});
