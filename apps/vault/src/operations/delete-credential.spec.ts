import { beforeEach, describe, expect, it } from '@jest/globals';
import { EVENTS } from '@keymesh/contracts';
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

  it('says DENIED to a reader and CREDENTIAL_NOT_FOUND to who may not know of it', async () => {
    await expectCode(remove('reader'), 'DENIED');
    await expectCode(remove('nobody'), 'CREDENTIAL_NOT_FOUND');
    expect(vault.journaled.map(({ record }) => record.outcome)).toEqual(['denied', 'denied']);
  });
});
