import { beforeEach, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode, makeTestClock } from '@keymesh/testing';
import { randomBytes, randomUUID } from 'node:crypto';
import { makeFakeKekStore, makeFakeKms } from '../../test/fakes.js';
import type { SealedValue, ValueVault, VersionBinding } from '../domain/ports.js';
import { makeKeyring, type Keyring } from './keyring.js';
import { makeValueVault } from './value-vault.js';

describe('the value vault', () => {
  let kms: ReturnType<typeof makeFakeKms>;
  let keyring: Keyring;
  let vault: ValueVault;
  let place: VersionBinding;
  let sealed: SealedValue;
  const value = Buffer.from(randomBytes(32)).toString('hex');
  const read = async (binding: VersionBinding): Promise<string> => {
    const { value: part } = await vault.open(binding, sealed);
    using opened = part;
    // EXPOSE: compared with what was sealed.
    return Buffer.from(opened?.expose() ?? []).toString();
  };

  beforeEach(async () => {
    kms = makeFakeKms();
    keyring = makeKeyring({ kms: kms.kms, store: makeFakeKekStore(), clock: makeTestClock() });
    vault = makeValueVault(keyring);
    const namespace = await vault.openNamespace('team');
    place = { namespaceId: namespace.namespaceId, credentialId: randomUUID(), version: 1 };
    sealed = namespace.seal(place, { value: Secret.fromText(value, 'value') });
  });

  it('opens what it sealed, again and again', async () => {
    for (let round = 0; round < 3; round += 1) expect(await read(place)).toBe(value);
  });

  it.each([
    ['another credential', { credentialId: randomUUID() }],
    ['another version', { version: 2 }],
    ['another namespace', { namespaceId: randomUUID() }],
  ])('opens nothing for %s, also after it was opened in its own place', async (_what, other) => {
    expect(await read(place)).toBe(value);
    await expectCode(vault.open({ ...place, ...other }, sealed), 'CREDENTIAL_DAMAGED');
    expect(await read(place)).toBe(value);
  });

  it('keeps no key of a value beyond its KEK', async () => {
    expect(await read(place)).toBe(value);
    keyring.drop();
    const unwraps = kms.control.unwraps;
    expect(await read(place)).toBe(value);
    expect(kms.control.unwraps).toBe(unwraps + 1);
  });
});
