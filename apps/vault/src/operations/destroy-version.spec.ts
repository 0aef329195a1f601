import { beforeEach, describe, expect, it } from '@jest/globals';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

describe('destroyVersion', () => {
  let vault: TestVault;
  const destroy = (version: number, principal = 'operator') =>
    vault.operations.destroyVersion({ name: 'key', version }, callBy(principal));
  const retrieve = (version: number, principal = 'reader') =>
    vault.operations.retrieveCredential({ name: 'key', version }, callBy(principal));

  beforeEach(async () => {
    vault = makeTestVault();
    for (const number of [1, 2, 3]) {
      await vault.operations.storeCredential(
        {
          name: 'key',
          type: 'api_key',
          values: { value: text(`${API_KEY}-${String(number)}`) },
          expectedVersion: 'any',
        },
        callBy('writer'),
      );
    }
  });

  it.each([
    ['previous', 2],
    ['revoked', 1],
  ])('wipes the %s version for good; its row, number and key id stay', async (_stage, version) => {
    const { credentialId, destroyedAt } = await destroy(version);
    expect(vault.tables.told.at(-1)).toMatchObject({ awaitEveryone: true });
    const row = vault.tables.tables().versions.get(`${credentialId}/${String(version)}`)!;
    expect(row).toMatchObject({ stage: 'revoked', fingerprint: null });
    expect([row.ciphertext.length, row.wrappedDek.length]).toEqual([0, 0]);
    expect(row.dekId).toHaveLength(36);
    await expectCode(retrieve(version), 'VERSION_DESTROYED');
    const told = vault.tables.told.length;
    await expectCode(destroy(version), 'VERSION_DESTROYED');
    // Whoever hears that it is destroyed may count on all instances, as the first one may.
    expect(vault.tables.told.slice(told)).toMatchObject([{ credentialId, awaitEveryone: true }]);
    const { versions } = await vault.operations.credentialHistory({ name: 'key' }, callBy('auditor'));
    expect(versions[version - 1]).toMatchObject({ stage: 'revoked', destroyedAt });
    expect((await retrieve(3)).version).toBe(3);
  });

  it('tells only who may describe that there was one', async () => {
    await destroy(1);
    vault.policy.forbid = ({ action }) => action === 'describe';
    await expectCode(retrieve(1), 'VERSION_NOT_FOUND');
    await expectCode(retrieve(9), 'VERSION_NOT_FOUND');
  });

  it('spares the current and the pending version, with a sentence that says what to do', async () => {
    const current = await expectCode(destroy(3), 'VERSION_IN_USE');
    expect(current.publicMessage).toMatch(/current version/);
    await expectCode(destroy(4), 'VERSION_NOT_FOUND');
  });

  it('is not for writers', async () => {
    await expectCode(destroy(1, 'writer'), 'DENIED');
    await expectCode(destroy(1, 'nobody'), 'CREDENTIAL_NOT_FOUND');
  });
});
