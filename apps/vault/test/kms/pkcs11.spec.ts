import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { makePkcs11Kms, type Pkcs11Options } from '../../src/kms/pkcs11.js';
import { keyScript, startSoftHsm, type SoftHsm } from '../support/softhsm.js';
import { describeKmsConformance, KEK_CONTEXT } from './conformance.js';

const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');
const open = (hsm: SoftHsm, change: Partial<Pkcs11Options> = {}) =>
  makePkcs11Kms({
    module: hsm.module,
    tokenLabel: hsm.tokenLabel,
    keyLabel: 'kek',
    pin: Secret.fromText(hsm.pin, 'pin'),
    environment: hsm.environment,
    ...change,
  });

describeKmsConformance('pkcs11', async () => {
  const hsm = await startSoftHsm();
  return {
    open: () => open(hsm),
    openOtherKey: () => open(hsm, { keyLabel: 'other' }),
    openAway: () => open(hsm, { tokenLabel: 'not there' }),
    secrets: [hsm.pin],
    stop: () => hsm.stop(),
  };
});

describe('a PKCS#11 token', () => {
  let hsm: SoftHsm;
  beforeAll(async () => {
    hsm = await startSoftHsm();
  });
  afterAll(() => hsm.stop());

  it('comes back by itself when it was taken out and put in again', async () => {
    const kms = open(hsm);
    const wrapped = await kms.wrapKey(key(), KEK_CONTEXT);
    const elsewhere = `${hsm.tokens}.out`;
    renameSync(hsm.tokens, elsewhere);
    // What is open may go on in memory; a new process finds no token.
    await expectCode(open(hsm).unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
    renameSync(elsewhere, hsm.tokens);
    expect((await kms.unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
  });

  it('says which rule is broken: module, label, PIN, a key that could be read out', async () => {
    const rule = async (change: Partial<Pkcs11Options>) =>
      (await expectCode(open(hsm, change).wrapKey(key(), KEK_CONTEXT), 'CONFIG_INVALID')).publicMessage;
    expect(await rule({ module: '/nowhere/lib.so' })).toMatch(/KEYMESH_KMS_PKCS11_MODULE/);
    expect(await rule({ keyLabel: 'none' })).toMatch(
      /KEYMESH_KMS_PKCS11_KEY_LABEL: the token has no AES key/,
    );
    expect(await rule({ pin: Secret.fromText('wrong-pin', 'pin') })).toMatch(/KEYMESH_KMS_PKCS11_PIN_FILE/);
    await hsm.administer(keyScript('soft', 'extractable: true, sensitive: true'));
    expect(await rule({ keyLabel: 'soft' })).toMatch(/not extractable/);
    await hsm.administer(keyScript('twice') + keyScript('twice'));
    expect(await rule({ keyLabel: 'twice' })).toMatch(/several AES keys/);
  }, 60_000);

  it('does not try a wrong PIN again: tokens lock themselves', async () => {
    const kms = open(hsm, { pin: Secret.fromText('wrong-pin', 'pin') });
    const first = await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'CONFIG_INVALID');
    expect(await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'CONFIG_INVALID')).toBe(first);
  });

  describe('whose library misbehaves', () => {
    const support = join(import.meta.dirname, '../support');
    const misbehaving = (name: string, more: Readonly<Record<string, string>> = {}) =>
      open(hsm, { program: join(support, name), environment: { ...hsm.environment, ...more } });

    it('goes on when its process died or its session is lost', async () => {
      const kms = misbehaving('losing-token.mjs', {
        DIED_ONCE: join(hsm.tokens, 'died-once'),
        TOKEN_PROGRAM: join(import.meta.dirname, '../../src/kms/pkcs11-token.ts'),
      });
      await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
      for (let at = 0; at < 12; at += 1) {
        const wrapped = await kms.wrapKey(key(), KEK_CONTEXT);
        expect((await kms.unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
        // Which of its two refusals depends on when the session is lost; never a key.
        await expect(kms.unwrapKey(wrapped, {})).rejects.toThrow();
      }
    });

    it('is KMS_UNAVAILABLE when a call hangs, and its process is killed and started anew', async () => {
      const kms = misbehaving('hanging-token.mjs');
      const since = performance.now();
      const calls = [1, 2, 3].map(() => kms.wrapKey(key(), KEK_CONTEXT));
      await Promise.all(calls.map((call) => expectCode(call, 'KMS_UNAVAILABLE')));
      expect(performance.now() - since).toBeLessThan(10_000);
      await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    });

    it('is KMS_UNAVAILABLE when it crashes, again and again', async () => {
      const kms = misbehaving('crashing-token.mjs');
      for (let at = 0; at < 3; at += 1) await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    });

    it('takes no more calls than a token can keep up with', async () => {
      const kms = misbehaving('hanging-token.mjs');
      const calls = Array.from({ length: 70 }, () => kms.wrapKey(key(), KEK_CONTEXT));
      const errors = await Promise.all(calls.map((call) => expectCode(call, 'KMS_UNAVAILABLE')));
      const reasons = errors.map(({ details }) => details.error);
      expect(reasons.filter((reason) => reason === 'too many calls at once')).toHaveLength(6);
    });
  });
});
