import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RequestInput, checkQuality } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

describe('checkQuality', () => {
  let vault: TestVault;
  const check = (more: Partial<RequestInput<typeof checkQuality>> = {}, call = callBy('writer')) =>
    vault.operations.checkQuality(
      { type: 'api_key', values: { value: text(API_KEY) }, namespace: 'default', ...more } as never,
      call,
    );
  const login = (password: string) => ({
    type: 'username_password',
    values: { username: text('ada'), password: text(password) },
  });

  beforeEach(() => {
    vault = makeTestVault();
  });

  it('says of a weak value what a store would refuse, as data, and stores nothing', async () => {
    const { score, findings } = await check(login('Summer-2024'));
    expect(findings.filter(({ severity }) => severity === 'error').map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(['min-length', 'low-entropy']),
    );
    expect(score).toBeLessThan(30);
    expect(vault.tables.tables().credentials.size).toBe(0);
    await expectCode(
      vault.operations.storeCredential({ name: 'a', ...login('Summer-2024') }, callBy('writer')),
      'CREDENTIAL_WEAK',
    );
  });

  it('thinks well of a good one', async () => {
    expect(await check(login('xV7!kq-Lw2#tZp'))).toMatchObject({ findings: [], expiresAt: null });
  });

  it('does not tell whether the value is used elsewhere', async () => {
    const values = { value: text(API_KEY) };
    await vault.operations.storeCredential({ name: 'a', type: 'api_key', values }, callBy('writer'));
    expect((await check()).findings).toEqual([]);
  });

  it('leaves a record with neither value nor score', async () => {
    await check(login('hunter2-canary'));
    expect(vault.journaled).toHaveLength(1);
    expect(vault.journaled[0]?.record).toMatchObject({
      type: 'quality.checked',
      outcome: 'success',
      facts: { credentialType: 'username_password' },
    });
    expect(JSON.stringify(vault.journaled)).not.toMatch(/hunter2|score|low-entropy/);
  });

  it('is for those who may store there', async () => {
    await expectCode(check({}, callBy('reader')), 'DENIED');
    expect(vault.journaled.at(-1)?.record).toMatchObject({ outcome: 'denied', type: 'quality.checked' });
  });

  it.each([
    ['a type that there is not', { type: 'certificate' }, 'CREDENTIAL_TYPE_UNKNOWN'],
    ['no parts', { values: {} }, 'CREDENTIAL_VALUES_INVALID'],
    ['an empty part', { values: { value: text('') } }, 'CREDENTIAL_EMPTY'],
  ] as const)('refuses %s', async (_what, more, code) => {
    await expectCode(check(more), code);
  });
});
