import { beforeEach, describe, expect, it } from '@jest/globals';
import { retrieveCredential, type PolicyRequest } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

const TIME = 1_795_651_200;
const call = () => callBy('reader', { time: TIME });
const contexts = (vault: TestVault): PolicyRequest['context'][] =>
  vault.journaled.map(({ record }) => record.decision?.request.context ?? {});

describe('what a value is wanted for', () => {
  let vault: TestVault;
  beforeEach(async () => {
    vault = makeTestVault();
    const values = { value: text(API_KEY) };
    await vault.operations.storeCredential({ name: 'stripe', type: 'api_key', values }, callBy('writer'));
    vault.journaled.length = 0;
    vault.policy.forbid = ({ action, context }) => action === 'retrieve' && context.purpose !== 'checkout';
  });
  const retrieve = (purpose?: string) =>
    vault.operations.retrieveCredential(
      { name: 'stripe', ...(purpose === undefined ? {} : { purpose }) },
      call(),
    );

  it('is what the policy sees, with the time, and stands in the record, permitted or not', async () => {
    await retrieve('checkout');
    await expectCode(retrieve('curiosity'), 'DENIED');
    await expectCode(retrieve(), 'DENIED');
    expect(contexts(vault)).toMatchObject([
      { purpose: 'checkout', time: TIME, channel: 'encrypted' },
      { purpose: 'curiosity', time: TIME },
      { time: TIME },
    ]);
    expect(contexts(vault)[2]).not.toHaveProperty('purpose');
  });

  it('is told apart in a batch', async () => {
    const items = [
      { name: 'stripe', purpose: 'checkout' },
      { name: 'stripe', purpose: 'curiosity' },
      { name: 'stripe', purpose: 'checkout' },
    ];
    const { results } = await vault.operations.batchRetrieveCredentials({ items }, call());
    expect(results).toMatchObject([{ version: 1 }, { error: { code: 'DENIED' } }, { version: 1 }]);
    expect(
      contexts(vault)
        .map(({ purpose }) => purpose)
        .toSorted(),
    ).toEqual(['checkout', 'curiosity']);
  });

  it('is a label, never free text', () => {
    const isTaken = (purpose: string): boolean =>
      retrieveCredential.request.safeParse({ name: 'stripe', purpose }).success;
    expect(['nightly-report', 'jobs/42', 'A.b_c'].map(isTaken)).toEqual([true, true, true]);
    expect(['', 'for Mr. X', '-a', 'x'.repeat(64), 'a\nb'].map(isTaken)).toEqual(new Array(5).fill(false));
  });
});
