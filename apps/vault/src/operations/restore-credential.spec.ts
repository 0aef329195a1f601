import { beforeEach, describe, expect, it } from '@jest/globals';
import { EVENTS } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

describe('restoreCredential', () => {
  let vault: TestVault;
  const store = (value = API_KEY, name = 'key') =>
    vault.operations.storeCredential(
      { name, type: 'api_key', values: { value: text(value) }, expectedVersion: 'any' },
      callBy('writer'),
    );
  const remove = () => vault.operations.deleteCredential({ name: 'key' }, callBy('writer'));
  const restore = (more: { credentialId?: string; as?: string } = {}, principal = 'writer') =>
    vault.operations.restoreCredential(
      { ...(more.credentialId === undefined ? { name: 'key' } : {}), ...more },
      callBy(principal),
    );
  const valueOf = async (name = 'key') =>
    textOf((await vault.operations.retrieveCredential({ name }, callBy('reader'))).values.value);

  beforeEach(() => {
    vault = makeTestVault();
  });

  it('brings back the same id with all versions, with record and event', async () => {
    const { credentialId } = await store('first-value-1!aB');
    await store('second-value-2!aB');
    const { recoverableUntil } = await remove();
    expect(recoverableUntil).toBe(new Date(vault.clock.now() + 30 * DAY).toISOString());
    expect(await restore()).toMatchObject({ credentialId, name: 'key', version: 2 });
    expect(await valueOf()).toBe('second-value-2!aB');
    const { versions } = await vault.operations.credentialHistory({ name: 'key' }, callBy('reader'));
    expect(versions.map(({ stage }) => stage)).toEqual(['previous', 'current']);
    const [record, event] = vault.tables.tables().outbox.slice(-2);
    expect(JSON.parse(Buffer.from(record!.payload).toString())).toMatchObject({
      type: 'credential.restored',
    });
    expect(event!.subject).toBe(EVENTS.credentialRestored.subject);
  });

  it('takes the one deleted last by name, and any by id', async () => {
    const first = await store('first-value-1!aB');
    await remove();
    const second = await store('second-value-2!aB');
    await remove();
    expect((await restore()).credentialId).toBe(second.credentialId);
    await expectCode(restore({ credentialId: first.credentialId }), 'CREDENTIAL_EXISTS');
    expect(await restore({ credentialId: first.credentialId, as: 'key-old' })).toMatchObject({
      name: 'key-old',
    });
    expect(await valueOf('key-old')).toBe('first-value-1!aB');
    expect(await valueOf()).toBe('second-value-2!aB');
  });

  it('does not move it to another namespace, nor over a name that is taken meanwhile', async () => {
    await store();
    await remove();
    await expectCode(restore({ as: 'other/key' }), 'BAD_REQUEST');
    await store('taken-value-1!aB');
    await expectCode(restore(), 'CREDENTIAL_EXISTS');
    expect(await valueOf()).toBe('taken-value-1!aB');
  });

  it('is over with the window, or for what lives', async () => {
    const { credentialId } = await store();
    await expectCode(restore(), 'CREDENTIAL_NOT_DELETED');
    await remove();
    vault.clock.advance(30 * DAY);
    await expectCode(restore(), 'CREDENTIAL_NOT_DELETED');
    await expectCode(restore({ credentialId }), 'CREDENTIAL_NOT_DELETED');
  });

  it('ends a rotation that was under way, so that it can be stored to again', async () => {
    await vault.operations.storeCredential(
      { name: 'key', type: 'api_key', generate: { lengthChars: 30 } },
      callBy('writer'),
    );
    const { credentialId } = await vault.operations.describeCredential({ name: 'key' }, callBy('reader'));
    const rotationId = '018f0000-0000-7000-8000-000000000001';
    await vault.operations.prepareVersion({ credentialId, rotationId }, callBy('_rotation'));
    await remove();
    await restore();
    expect((await store()).version).toBe(3);
  });

  it('answers denied and missing alike, but to who may describe', async () => {
    await store();
    await remove();
    await expectCode(restore({}, 'reader'), 'DENIED');
    await expectCode(restore({}, 'nobody'), 'CREDENTIAL_NOT_FOUND');
    await expectCode(
      vault.operations.restoreCredential({ name: 'none' }, callBy('writer')),
      'CREDENTIAL_NOT_FOUND',
    );
  });
});
