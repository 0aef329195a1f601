import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EVENTS } from '@keymesh/contracts';
import { DAY, MINUTE } from '@keymesh/kernel';
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

  describe('a repeat, when the first answer was lost', () => {
    const told = () => vault.tables.told.slice(before);
    let before: number;
    let credentialId: string;
    beforeEach(async () => {
      ({ credentialId } = await remove('writer'));
      before = vault.tables.told.length;
    });

    it('says that it is not there when that is true of every instance', async () => {
      await expectCode(remove('writer'), 'CREDENTIAL_NOT_FOUND');
      expect(told()).toEqual([{ credentialId, name: 'key', awaitEveryone: true }]);
      expect(vault.journaled.at(-1)?.record).toMatchObject({
        outcome: 'failure',
        code: 'CREDENTIAL_NOT_FOUND',
        facts: { deletedBefore: credentialId },
      });
    });

    it('waits also where the versions were destroyed at once', async () => {
      await vault.operations.storeCredential(
        { name: 'brief', type: 'api_key', values: { value: text(API_KEY) } },
        callBy('writer'),
      );
      const removeBrief = () =>
        vault.operations.deleteCredential({ name: 'brief', recoveryDays: 0 }, callBy('operator'));
      await removeBrief();
      before = vault.tables.told.length;
      await expectCode(removeBrief(), 'CREDENTIAL_NOT_FOUND');
      expect(told()).toMatchObject([{ name: 'brief', awaitEveryone: true }]);
    });

    it('waits when this instance learns only from the row that it is gone', async () => {
      const { credentials } = vault.tables.tables();
      const { index } = vault.tables;
      const row = { ...credentials.get(credentialId)!, deletedAtMs: null };
      jest.spyOn(index, 'findByName').mockResolvedValueOnce({ credential: row, stale: false });
      await expectCode(remove('writer'), 'CREDENTIAL_NOT_FOUND');
      expect(told()).toMatchObject([{ credentialId, awaitEveryone: true }]);
    });

    it('waits for nobody a minute later, and not for who may not delete it: nothing tells them that it was there', async () => {
      const refusal = async (principal: string, name: string) => {
        const { code, message, details } = await expectCode(
          vault.operations.deleteCredential({ name }, callBy(principal)),
          'CREDENTIAL_NOT_FOUND',
        );
        return { code, message, details };
      };
      expect(await refusal('nobody', 'key')).toEqual(await refusal('nobody', 'never'));
      // Who may delete in the namespace, and not this one: the policy is asked of the row as it was.
      vault.policy.forbid = ({ resource }) => resource.kind === 'credential';
      expect(await refusal('writer', 'key')).toEqual(await refusal('writer', 'never'));
      vault.policy.forbid = () => false;
      vault.clock.advance(MINUTE + 1);
      await refusal('writer', 'key');
      expect(told()).toEqual([]);
    });
  });

  it('says DENIED to a reader and CREDENTIAL_NOT_FOUND to who may not know of it', async () => {
    await expectCode(remove('reader'), 'DENIED');
    await expectCode(remove('nobody'), 'CREDENTIAL_NOT_FOUND');
    expect(vault.journaled.map(({ record }) => record.outcome)).toEqual(['denied', 'denied']);
  });
});
