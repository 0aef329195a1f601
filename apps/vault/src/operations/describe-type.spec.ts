import { describe, expect, it } from '@jest/globals';
import { CREDENTIAL_TYPES, describeType, listTypes } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { callBy, makeTestVault } from '../../test/fakes.js';

describe('listTypes and describeType', () => {
  it('tell everybody what types there are, with a record', async () => {
    const vault = makeTestVault();
    const reply = await vault.operations.listTypes({}, callBy('nobody'));
    expect(listTypes.reply.parse(reply)).toEqual(reply);
    expect(reply.types.map(({ type }) => type)).toEqual(CREDENTIAL_TYPES);
    expect(vault.journaled.map(({ record }) => record.type)).toEqual(['type.listed']);
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
