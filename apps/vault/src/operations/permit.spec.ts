import { beforeEach, describe, expect, it } from '@jest/globals';
import type { PolicyRequest } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

const wantsTwo = ({ action, context }: PolicyRequest): boolean =>
  action === 'retrieve' && !(typeof context.approvals === 'number' && context.approvals >= 2);
const given = (...approvers: string[]) => approvers.map((approver) => ({ approvalId: 'a1', approver }));

describe('what approvals would turn', () => {
  let vault: TestVault;
  const retrieve = (more: { version?: number; stage?: 'current' | 'previous' } = {}) =>
    vault.operations.retrieveCredential({ name: 'stripe', ...more }, callBy('reader'));
  const failureOf = (
    work: Promise<unknown>,
  ): Promise<{ code?: string; details?: object; message?: string }> =>
    work.then(
      () => ({}),
      (error: unknown) => error as { code: string; details: object; message: string },
    );

  beforeEach(async () => {
    vault = makeTestVault();
    const values = { value: text(API_KEY) };
    await vault.operations.storeCredential({ name: 'stripe', type: 'api_key', values }, callBy('writer'));
    vault.policy.forbid = wantsTwo;
    vault.journaled.length = 0;
  });

  it('is told to who may describe it: how many, and of which request; never a name', async () => {
    vault.policy.approvals = given('alice');
    const { code, details, message } = await failureOf(retrieve());
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(details).toMatchObject({
      approvals: { needed: 2, given: 1, requestDigest: 'of the fake', request: { action: 'retrieve' } },
    });
    expect(message).not.toContain('stripe');
    expect(vault.journaled).toMatchObject([
      { record: { outcome: 'denied', code: 'DENIED', facts: { approvalsNeeded: 2, approvers: 'alice' } } },
    ]);
  });

  it('is told to nobody else: the same answer as for what is not there', async () => {
    vault.policy.forbid = (request) => request.action === 'describe' || wantsTwo(request);
    const hidden = await failureOf(retrieve());
    const absent = await failureOf(vault.operations.retrieveCredential({ name: 'none' }, callBy('reader')));
    expect(hidden.code).toBe('CREDENTIAL_NOT_FOUND');
    expect({ ...hidden }).toEqual({ ...absent });
  });

  it('is nothing where the policy wants more than anybody could give', async () => {
    vault.policy.forbid = ({ action, context }) =>
      action === 'retrieve' && !(typeof context.approvals === 'number' && context.approvals >= 6);
    await expectCode(retrieve(), 'DENIED');
  });

  it('is in the record of a release: the count in the decided request, the approvers beside it', async () => {
    vault.policy.approvals = given('alice', 'bob');
    const reply = await retrieve({ version: 1 });
    expect(textOf(reply.values.value)).toBe(API_KEY);
    expect(vault.journaled).toMatchObject([
      {
        record: {
          outcome: 'success',
          facts: { approvals: 'a1', approvers: 'alice bob' },
          decision: { effect: 'permit', request: { context: { approvals: 2, version: 1 } } },
        },
      },
    ]);
  });

  it('leaves the request as it was where there are none', async () => {
    vault.policy.forbid = () => false;
    await retrieve({ stage: 'current' });
    const { decision, facts } = vault.journaled[0]!.record;
    expect(decision?.request.context).toMatchObject({ stage: 'current' });
    expect(decision?.request.context).not.toHaveProperty('approvals');
    expect(facts).toBeUndefined();
  });
});
