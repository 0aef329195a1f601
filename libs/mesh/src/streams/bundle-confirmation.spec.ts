import { describe, expect, it } from '@jest/globals';
import type { BundleConfirmation } from '@keymesh/contracts';
import { makeSigningKey, utf8 } from '@keymesh/kernel';
import { decodeConfirmation, encodeConfirmation } from './bundle-confirmation.js';

const [vault, other] = [makeSigningKey().key, makeSigningKey().key];
const said: BundleConfirmation = {
  v: 1,
  meshId: 'mesh',
  service: 'vault',
  instance: 'one',
  run: 'run',
  bundleVersion: 7,
};
const keysOf = (service: string) => (service === 'vault' ? [vault.publicKeyText] : [other.publicKeyText]);
const decode = (data: Uint8Array, meshId = 'mesh') => decodeConfirmation(data, meshId, keysOf);

describe('confirmations of bundles', () => {
  it('are believed of whom they are signed by', () => {
    expect(decode(encodeConfirmation(said, vault))).toEqual(said);
  });

  it.each([
    ['in the name of another service', encodeConfirmation({ ...said, service: 'audit' }, vault)],
    ['by a stranger', encodeConfirmation(said, makeSigningKey().key)],
    ['of another mesh', encodeConfirmation({ ...said, meshId: 'another' }, vault)],
    ['with more in it', encodeConfirmation({ ...said, extra: 1 } as BundleConfirmation, vault)],
    ['that are not JSON', utf8('x'.repeat(80))],
    ['that are empty', new Uint8Array()],
  ])('are not believed %s', (_what, data) => {
    expect(decode(data)).toBeUndefined();
  });

  it('are not believed when any bit is changed', () => {
    const data = encodeConfirmation(said, vault);
    for (const [at, byte] of data.entries()) {
      const changed = Uint8Array.from(data);
      changed[at] = byte ^ 1;
      expect(decode(changed)).toBeUndefined();
    }
  });
});
