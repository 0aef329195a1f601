import { createSecretKey, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { text, textOf } from '../../test/fakes.js';
import type { SealedValue, VersionBinding } from '../domain/ports.js';
import type { Keyring, OpenKek } from './keyring.js';
import { makeDiagnose, reencryptSealed, rewrapSealed } from './rekey.js';
import { makeValueVault } from './value-vault.js';

const NAMESPACE = 'n1';
const BINDING: VersionBinding = { namespaceId: NAMESPACE, credentialId: 'c1', version: 1 };
const kek = (version: number, namespaceId = NAMESPACE): OpenKek => ({
  ...{ kekId: `kek-${String(version)}`, namespaceId, version },
  key: createSecretKey(randomBytes(32)),
});
const flipped = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte));
const codeOf = (work: () => unknown) => expectCode(Promise.resolve().then(work), 'CREDENTIAL_DAMAGED');

describe('a sealed value', () => {
  let from: OpenKek;
  let to: OpenKek;
  let sealed: SealedValue;
  const keyringOf = (...keks: OpenKek[]): Keyring => ({
    activeKek: () => Promise.resolve(keks[0]!),
    kek(kekId) {
      const found = keks.find((one) => one.kekId === kekId);
      return found === undefined ? Promise.reject(failure('CREDENTIAL_DAMAGED')) : Promise.resolve(found);
    },
    drop: () => undefined,
  });
  const opened = async (value: SealedValue) =>
    textOf((await makeValueVault(keyringOf(to)).open(BINDING, value)).value);
  beforeEach(async () => {
    [from, to] = [kek(1), kek(2)];
    const namespace = await makeValueVault(keyringOf(from)).openNamespace('spec');
    sealed = namespace.seal(BINDING, { value: text('what it was') });
  });

  it('is rewrapped: the same data key and ciphertext, under the other KEK alone', async () => {
    const after = rewrapSealed({ binding: BINDING, sealed, from, to });
    expect(after).toMatchObject({
      dekId: sealed.dekId,
      ciphertext: sealed.ciphertext,
      kekId: to.kekId,
      kekVersion: 2,
    });
    expect(await opened(after)).toBe('what it was');
    await expectCode(makeValueVault(keyringOf(from)).open(BINDING, after), 'CREDENTIAL_DAMAGED');
  });

  it('is reencrypted: another data key, ciphertext and KEK, the same value', async () => {
    const after = reencryptSealed({ binding: BINDING, sealed, from, to });
    expect(after.dekId).not.toBe(sealed.dekId);
    expect(after.ciphertext).not.toEqual(sealed.ciphertext);
    expect(await opened(after)).toBe('what it was');
  });

  it.each(['rewrap', 'reencrypt'] as const)(
    'is refused by %s where anything of it does not open',
    async (what) => {
      const rekey = what === 'rewrap' ? rewrapSealed : reencryptSealed;
      // Rewrapping needs no ciphertext, and still looks at it: a damaged value must not pass for a good one.
      await codeOf(() =>
        rekey({ binding: BINDING, sealed: { ...sealed, ciphertext: flipped(sealed.ciphertext) }, from, to }),
      );
      await codeOf(() =>
        rekey({ binding: BINDING, sealed: { ...sealed, wrappedDek: flipped(sealed.wrappedDek) }, from, to }),
      );
      await codeOf(() => rekey({ binding: { ...BINDING, version: 2 }, sealed, from, to }));
      await codeOf(() => rekey({ binding: BINDING, sealed, from: kek(1), to }));
      await codeOf(() => rekey({ binding: BINDING, sealed, from, to: kek(2, 'another') }));
    },
  );

  it('is diagnosed by the layer that does not open', async () => {
    const diagnose = (keyring: Keyring, more: Partial<SealedValue>) =>
      makeDiagnose(keyring)(BINDING, { ...sealed, ...more, version: 1 });
    expect(await diagnose(keyringOf(to), {})).toBe('kek-damaged');
    expect(await diagnose(keyringOf(from), { wrappedDek: flipped(sealed.wrappedDek) })).toBe(
      'data-key-damaged',
    );
    expect(await diagnose(keyringOf(from), { ciphertext: flipped(sealed.ciphertext) })).toBe('value-damaged');
  });
});
