import { beforeEach, describe, expect, it } from '@jest/globals';
import { EVENTS } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

describe('deleteCredential', () => {
  let vault: TestVault;
  const remove = (principal: string, expectedVersion?: number) =>
    vault.operations.deleteCredential(
      { name: 'key', ...(expectedVersion === undefined ? {} : { expectedVersion }) },
      callBy(principal),
    );

  beforeEach(async () => {
    vault = makeTestVault();
    await vault.operations.storeCredential(
      { name: 'key', type: 'api_key', values: { value: text(API_KEY) } },
      callBy('writer'),
    );
  });

  it('takes it away from everybody before it answers, with record and event', async () => {
    const { credentialId, revision } = await remove('writer');
    expect(vault.tables.told.at(-1)).toEqual({ credentialId, name: 'key', awaitEveryone: true });
    await expectCode(
      vault.operations.retrieveCredential({ name: 'key' }, callBy('reader')),
      'CREDENTIAL_NOT_FOUND',
    );
    const [record, event] = vault.tables.tables().outbox.slice(-2);
    expect(JSON.parse(Buffer.from(record!.payload).toString())).toMatchObject({
      type: 'credential.deleted',
      resource: { revision },
    });
    expect(event!.subject).toBe(EVENTS.credentialDeleted.subject);
    // The rows stay: nothing of it is ever used again.
    expect(vault.tables.tables().credentials.get(credentialId)?.deletedAtMs).not.toBeNull();
    expect(vault.tables.tables().versions.size).toBe(1);
  });

  it('deletes only the expected version', async () => {
    await expectCode(remove('writer', 2), 'VERSION_CONFLICT');
    await remove('writer', 1);
    await expectCode(remove('writer'), 'CREDENTIAL_NOT_FOUND');
  });

  it('can be taken back for 30 days, or as long as is asked for', async () => {
    const { recoverableUntil } = await remove('writer');
    expect(recoverableUntil).toBe(new Date(vault.clock.now() + 30 * DAY).toISOString());
  });

  it('destroys at once with 0 days, which takes the right to destroy, as any shorter window does', async () => {
    const removeIn = (recoveryDays: number, principal: string) =>
      vault.operations.deleteCredential({ name: 'key', recoveryDays }, callBy(principal));
    await expectCode(removeIn(0, 'writer'), 'DENIED');
    await expectCode(removeIn(29, 'writer'), 'DENIED');
    const { credentialId, recoverableUntil } = await removeIn(0, 'operator');
    expect(recoverableUntil).toBeNull();
    const [row] = [...vault.tables.tables().versions.values()];
    expect(row).toMatchObject({ destroyedAtMs: vault.clock.now(), fingerprint: null });
    expect([row!.ciphertext.length, row!.wrappedDek.length]).toEqual([0, 0]);
    await expectCode(
      vault.operations.restoreCredential({ credentialId }, callBy('operator')),
      'CREDENTIAL_NOT_DELETED',
    );
  });

  it('says DENIED to a reader and CREDENTIAL_NOT_FOUND to who may not know of it', async () => {
    await expectCode(remove('reader'), 'DENIED');
    await expectCode(remove('nobody'), 'CREDENTIAL_NOT_FOUND');
    expect(vault.journaled.map(({ record }) => record.outcome)).toEqual(['denied', 'denied']);
  });
});
