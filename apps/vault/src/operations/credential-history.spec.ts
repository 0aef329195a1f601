import { describe, expect, it } from '@jest/globals';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text } from '../../test/fakes.js';

describe('credentialHistory', () => {
  it('lists every version with its stage, oldest first, to who may describe', async () => {
    const vault = makeTestVault();
    const store = (expectedVersion?: 'any') =>
      vault.operations.storeCredential(
        {
          name: 'key',
          type: 'api_key',
          values: { value: text(API_KEY) },
          ...(expectedVersion === undefined ? {} : { expectedVersion }),
        },
        callBy('writer'),
      );
    for (const expected of [undefined, 'any', 'any'] as const) await store(expected);
    const { versions } = await vault.operations.credentialHistory({ name: 'key' }, callBy('auditor'));
    expect(versions.map(({ version, stage, createdBy }) => [version, stage, createdBy])).toEqual([
      [1, 'revoked', 'writer'],
      [2, 'previous', 'writer'],
      [3, 'current', 'writer'],
    ]);
    expect(versions.map(({ destroyedAt }) => destroyedAt)).toEqual([null, null, null]);
    const { credentialId } = await vault.operations.deleteCredential({ name: 'key' }, callBy('writer'));
    const deleted = await vault.operations.credentialHistory({ credentialId }, callBy('auditor'));
    expect(deleted).toMatchObject({ name: 'key', versions });
    await expectCode(
      vault.operations.credentialHistory({ name: 'key' }, callBy('nobody')),
      'CREDENTIAL_NOT_FOUND',
    );
  });
});
