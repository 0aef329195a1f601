import { describe, expect, it } from '@jest/globals';
import { makeChannelKeyPair, readChannelKey } from '@keymesh/channel';
import { failure } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { callBy, makeTestVault } from '../../test/fakes.js';

describe('certifyChannelKey', () => {
  it('signs the key of the service that asks, for a day, after a record', async () => {
    const vault = makeTestVault();
    const { publicKey } = await makeChannelKeyPair();
    const { statement } = await vault.operations.certifyChannelKey({ publicKey }, callBy('_audit'));
    const read = (service: string, nowMs = vault.clock.now()) =>
      readChannelKey(statement, vault.meshKey.publicKeyText, service, nowMs);
    expect(read('audit')).toMatchObject({ service: 'audit', publicKey });
    expect(read('policy')).toBeUndefined();
    expect(read('audit', vault.clock.now() + DAY)).toBeUndefined();
    expect(vault.journaled[0]?.record).toMatchObject({
      type: 'channel-key.certified',
      outcome: 'success',
      principal: '_audit',
    });
    vault.onJournal = () => Promise.reject(failure('AUDIT_UNAVAILABLE'));
    await expectCode(
      vault.operations.certifyChannelKey({ publicKey }, callBy('_audit')),
      'AUDIT_UNAVAILABLE',
    );
  });

  it('signs nothing for a client, nor what is no key', async () => {
    const vault = makeTestVault();
    const { publicKey } = await makeChannelKeyPair();
    await expectCode(vault.operations.certifyChannelKey({ publicKey }, callBy('writer')), 'DENIED');
    await expectCode(
      vault.operations.certifyChannelKey({ publicKey: '!'.repeat(43) }, callBy('_audit')),
      'BAD_REQUEST',
    );
  });
});
