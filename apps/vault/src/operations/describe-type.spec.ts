import { describe, expect, it } from '@jest/globals';
import { CREDENTIAL_TYPES, describeType, failure, listTypes } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { callBy, makeTestVault } from '../../test/fakes.js';

describe('listTypes and describeType', () => {
  it('tell everybody what types there are, also while the journal is away', async () => {
    const vault = makeTestVault();
    vault.onJournal = () => Promise.reject(failure('AUDIT_UNAVAILABLE'));
    const reply = await vault.operations.listTypes({}, callBy('nobody'));
    expect(listTypes.reply.parse(reply)).toEqual(reply);
    expect(reply.types.map(({ type }) => type)).toEqual(CREDENTIAL_TYPES);
  });

  it('tell those who may list in a namespace what policy holds there', async () => {
    const vault = makeTestVault();
    const ask = (type: string, by = 'reader') =>
      vault.operations.describeType({ type, namespace: 'billing' }, callBy(by));
    const reply = await ask('tls_certificate');
    expect(describeType.reply.parse(reply)).toEqual(reply);
    expect(reply).toMatchObject({
      primaryPart: 'private_key',
      policy: { minLengthChars: 12, maxAgeDays: null },
    });
    expect(reply.policy.rules).toMatchObject({ 'weak-key': 'enforce', 'no-names': 'warn', reused: 'warn' });
    expect((await ask('api_key')).policy.rules).toMatchObject({ 'min-length': 'enforce', special: 'warn' });
    await expectCode(ask('api_key', 'nobody'), 'DENIED');
    await expectCode(ask('certificate'), 'CREDENTIAL_TYPE_UNKNOWN');
  });
});
