import { beforeEach, describe, expect, it } from '@jest/globals';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

describe('deactivateCredential and activateCredential', () => {
  let vault: TestVault;
  const request = { name: 'key' };
  const retrieve = () => vault.operations.retrieveCredential(request, callBy('reader'));

  beforeEach(async () => {
    vault = makeTestVault();
    await vault.operations.storeCredential(
      { ...request, type: 'api_key', values: { value: text(API_KEY) } },
      callBy('writer'),
    );
  });

  it('hand it to nobody, after every instance knows, until it is activated', async () => {
    expect(await vault.operations.deactivateCredential(request, callBy('writer'))).toMatchObject({
      status: 'inactive',
    });
    expect(vault.tables.told.at(-1)).toMatchObject({ name: 'key', awaitEveryone: true });
    await expectCode(retrieve(), 'CREDENTIAL_INACTIVE');
    expect(await vault.operations.describeCredential(request, callBy('reader'))).toMatchObject({
      status: 'inactive',
      isActive: false,
    });
    expect(await vault.operations.activateCredential(request, callBy('writer'))).toMatchObject({
      status: 'active',
    });
    expect(textOf((await retrieve()).values.value)).toBe(API_KEY);
  });

  it('stay as they are across a new version', async () => {
    await vault.operations.deactivateCredential(request, callBy('writer'));
    await vault.operations.storeCredential(
      { ...request, type: 'api_key', values: { value: text(`${API_KEY}-2`) }, expectedVersion: 1 },
      callBy('writer'),
    );
    await expectCode(retrieve(), 'CREDENTIAL_INACTIVE');
  });

  it('change nothing when asked again, wait all the same, and are recorded each time', async () => {
    const { revision } = await vault.operations.deactivateCredential(request, callBy('writer'));
    expect((await vault.operations.deactivateCredential(request, callBy('writer'))).revision).toBe(revision);
    expect(vault.tables.told.slice(-2)).toMatchObject([{ awaitEveryone: true }, { awaitEveryone: true }]);
    const types = vault.tables
      .tables()
      .outbox.map(({ payload }) => (JSON.parse(Buffer.from(payload).toString()) as { type?: string }).type);
    expect(types.filter((type) => type === 'credential.deactivated')).toHaveLength(2);
  });

  it('are for who may update', async () => {
    await expectCode(vault.operations.deactivateCredential(request, callBy('reader')), 'DENIED');
    await expectCode(vault.operations.activateCredential(request, callBy('nobody')), 'CREDENTIAL_NOT_FOUND');
  });
});
