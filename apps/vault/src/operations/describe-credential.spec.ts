import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure, toPublicError } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

describe('describeCredential', () => {
  let vault: TestVault;
  const describeIt = (principal: string, name = 'db') =>
    vault.operations.describeCredential({ name }, callBy(principal));

  beforeEach(async () => {
    vault = makeTestVault();
    await vault.operations.storeCredential(
      {
        name: 'db',
        type: 'username_password',
        values: { username: text('ada'), password: text(API_KEY) },
        tags: ['prod'],
      },
      callBy('writer'),
    );
    vault.journaled.length = 0;
  });

  it('tells all but the value, and records it', async () => {
    const reply = await describeIt('auditor');
    expect(reply).toMatchObject({
      name: 'db',
      namespace: 'default',
      owner: 'writer',
      version: 1,
      isActive: true,
      tags: ['prod'],
      rotation: null,
    });
    expect(JSON.stringify(reply)).not.toMatch(/ada|xV7/);
    expect(vault.journaled).toHaveLength(1);
    expect(vault.journaled[0]?.record).toMatchObject({ type: 'credential.described', outcome: 'success' });
  });

  it('lets a password age: after 90 days it is not active', async () => {
    expect((await describeIt('reader')).expiresAt).toBe(new Date(vault.clock.now() + 90 * DAY).toISOString());
    vault.clock.advance(90 * DAY);
    expect((await describeIt('reader')).isActive).toBe(false);
  });

  it('finds a deleted one by its id, also once another has its name', async () => {
    const { credentialId } = await describeIt('reader');
    await vault.operations.deleteCredential({ name: 'db' }, callBy('writer'));
    await expectCode(describeIt('reader'), 'CREDENTIAL_NOT_FOUND');
    const byId = vault.operations.describeCredential({ credentialId }, callBy('reader'));
    expect(await byId).toMatchObject({ credentialId, name: 'db', status: 'deleted', isActive: false });
    await expectCode(
      vault.operations.describeCredential({ credentialId }, callBy('nobody')),
      'CREDENTIAL_NOT_FOUND',
    );
  });

  it('answers denied and missing alike', async () => {
    const errors = await Promise.all(
      [describeIt('nobody'), describeIt('nobody', 'absent')].map((work) =>
        work.then(() => undefined, toPublicError),
      ),
    );
    expect(JSON.stringify(errors[0])).toBe(JSON.stringify(errors[1]));
    expect(errors[0]?.code).toBe('CREDENTIAL_NOT_FOUND');
  });

  it('tells nothing that is not recorded', async () => {
    vault.onJournal = () => Promise.reject(failure('AUDIT_UNAVAILABLE'));
    await expectCode(describeIt('reader'), 'AUDIT_UNAVAILABLE');
  });

  it('knows nobody that the directory does not know', async () => {
    await expectCode(describeIt('stranger'), 'DENIED');
  });
});
