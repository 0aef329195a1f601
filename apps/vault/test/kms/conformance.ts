import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { KeymeshError, Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import fc from 'fast-check';
import type { Kms, WrapContext } from '../../src/kms/kms.js';

/** A KMS of one provider, as real as it gets here. */
export interface KmsInTest {
  /** Its key, opened as another process would. */
  open(): Kms;
  /** Another key of the same provider. */
  openOtherKey(): Kms;
  /** The same key where nobody answers; absent where there is nobody to ask. */
  openAway?(): Kms;
  /** What logs in: may stand in no error. */
  readonly secrets: readonly string[];
  /** Bytes at the start of what an emulator wraps that the real KMS would authenticate and the emulator does not. */
  readonly plainBytes?: number;
  /** What an emulator says of another key in place of DECRYPTION_FAILED. */
  readonly otherKeyCode?: 'KMS_UNAVAILABLE';
  stop(): Promise<unknown> | undefined;
}

/** What a caller waits for at most. */
const DEADLINE_MS = 10_000;
const SEED = Number(process.env.SEED ?? Date.now() % 100_000);

export const KEK_CONTEXT: WrapContext = {
  purpose: 'keymesh/v1/kek',
  namespaceId: '0198c0de-0000-7000-8000-000000000001',
  kekId: '0198c0de-0000-7000-8000-000000000002',
  kekVersion: '1',
};

/** What every KMS provider promises (src/kms/kms.ts); a new one registers here and is held to all of it. */
export function describeKmsConformance(
  provider: string,
  start: () => Promise<KmsInTest>,
  { remote = true }: { readonly remote?: boolean } = {},
): void {
  describe(`${provider} keeps the promises of a KMS`, () => {
    const bytes = randomBytes(32);
    const key = () => new Secret(new Uint8Array(bytes), 'kek');
    const errors: unknown[] = [];
    let inTest: KmsInTest;
    let stop: KmsInTest['stop'] | undefined;
    let kms: Kms;
    let wrapped: Uint8Array;
    const printed: jest.Spied<typeof console.log>[] = [];

    const refused = async (changed: Uint8Array, context = KEK_CONTEXT, by = kms): Promise<void> => {
      errors.push(await expectCode(by.unwrapKey(changed, context), 'DECRYPTION_FAILED'));
    };

    beforeAll(async () => {
      inTest = await start();
      stop = () => inTest.stop();
      kms = inTest.open();
      wrapped = await kms.wrapKey(key(), KEK_CONTEXT);
    }, 120_000);
    afterAll(() => stop?.());
    beforeEach(() => {
      for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
        printed.push(jest.spyOn(console, method).mockImplementation(() => undefined));
    });
    afterEach(() => {
      const lines = printed.flatMap(({ mock }) => mock.calls);
      printed.splice(0).forEach((spied) => spied.mockRestore());
      expect(lines).toEqual([]);
    });

    it('names itself and its key, which is what stands beside each wrapped key', () => {
      expect(kms.provider).toBe(provider);
      expect(kms.keyId).not.toBe('');
      expect(inTest.open().keyId).toBe(kms.keyId);
      expect(inTest.openOtherKey().keyId).not.toBe(kms.keyId);
    });

    it('unwraps what it wrapped, also in another process', async () => {
      expect((await kms.unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
      expect((await inTest.open().unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
    });

    it('takes the fields of a context in any order', async () => {
      const turned = Object.fromEntries(Object.entries(KEK_CONTEXT).reverse());
      expect((await kms.unwrapKey(wrapped, turned)).equals(key())).toBe(true);
    });

    it('wraps the same key to other bytes each time, and never lets it show', async () => {
      const again = await kms.wrapKey(key(), KEK_CONTEXT);
      expect(Buffer.from(again).equals(wrapped)).toBe(false);
      for (const one of [wrapped, again]) expect(Buffer.from(one).includes(bytes.subarray(0, 8))).toBe(false);
    });

    it('leaves the key with the caller', async () => {
      const mine = key();
      await kms.wrapKey(mine, KEK_CONTEXT);
      expect(mine.equals(key())).toBe(true);
    });

    it.each([1, 33, 4_096])('wraps a key of %d bytes', async (sizeBytes) => {
      const plain = new Secret(new Uint8Array(randomBytes(sizeBytes)), 'long');
      const long = await kms.wrapKey(plain, KEK_CONTEXT);
      expect((await kms.unwrapKey(long, KEK_CONTEXT)).equals(plain)).toBe(true);
    });

    it('serves many at once, each its own', async () => {
      const plains = Array.from({ length: 24 }, () => new Secret(new Uint8Array(randomBytes(32)), 'one'));
      const contexts = plains.map((_, at) => ({ ...KEK_CONTEXT, kekVersion: String(at) }));
      const all = await Promise.all(plains.map((plain, at) => kms.wrapKey(plain, contexts[at]!)));
      const back = await Promise.all(all.map((one, at) => kms.unwrapKey(one, contexts[at]!)));
      expect(back.map((one, at) => one.equals(plains[at]!))).toEqual(plains.map(() => true));
    });

    it('refuses every other context', async () => {
      const { kekId: _, ...less } = KEK_CONTEXT;
      const others: WrapContext[] = [
        ...Object.keys(KEK_CONTEXT).map((field) => ({ ...KEK_CONTEXT, [field]: `${KEK_CONTEXT[field]!}x` })),
        { ...KEK_CONTEXT, more: '1' },
        less,
        {},
      ];
      for (const other of others) await refused(wrapped, other);
    });

    it('refuses another key of its own kind', async () => {
      const other = inTest.openOtherKey().unwrapKey(wrapped, KEK_CONTEXT);
      errors.push(await expectCode(other, inTest.otherKeyCode ?? 'DECRYPTION_FAILED'));
    });

    it('refuses every truncation and what is too long', async () => {
      for (let size = 0; size < wrapped.length; size += 1) await refused(wrapped.slice(0, size));
      await refused(Uint8Array.of(...wrapped, 0));
      const at = inTest.plainBytes ?? 0;
      await refused(Uint8Array.of(...wrapped.slice(0, at), 0, ...wrapped.slice(at)));
    }, 120_000);

    it(`refuses a flipped bit in every byte (seed ${String(SEED)})`, async () => {
      const bits = fc.sample(fc.integer({ min: 0, max: 7 }), { numRuns: wrapped.length, seed: SEED });
      for (const [at, bit] of bits.entries()) {
        if (at < (inTest.plainBytes ?? 0)) continue;
        const changed = wrapped.slice();
        changed[at] = changed[at]! ^ (1 << bit);
        await refused(changed);
      }
    }, 120_000);

    it('refuses what nobody wrapped', async () => {
      for (const sizeBytes of [1, 28, 64, 300, 5_000]) await refused(new Uint8Array(randomBytes(sizeBytes)));
    });

    it('still works after all that', async () => {
      expect((await kms.unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
    });

    if (remote)
      it('is KMS_UNAVAILABLE within the time that a caller waits when nobody answers', async () => {
        const away = inTest.openAway!();
        const since = performance.now();
        errors.push(await expectCode(away.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE'));
        errors.push(await expectCode(away.unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE'));
        expect(performance.now() - since).toBeLessThan(2 * DEADLINE_MS);
      });

    it('unwraps nothing more once it was let go of, if it keeps anything to let go of', async () => {
      const left = inTest.open();
      expect((await left.unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
      if (left.dispose === undefined) return;
      left.dispose();
      await expect(left.unwrapKey(wrapped, KEK_CONTEXT)).rejects.toThrow();
      await expect(left.wrapKey(key(), KEK_CONTEXT)).rejects.toThrow();
    });

    it('tells nothing of the key or of how it logs in', () => {
      const planted = [bytes, ...inTest.secrets.map((secret) => Buffer.from(secret))].flatMap((value) =>
        ['hex', 'base64', 'base64url', 'latin1'].map((form) => value.toString(form as BufferEncoding)),
      );
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) {
        expect(KeymeshError.is(error) && error.cause === undefined).toBe(true);
        const told = inspect(error, { depth: 10, showHidden: true });
        // The search is void unless it finds what is there.
        expect(told).toContain((error as KeymeshError).code);
        for (const value of planted) expect(told).not.toContain(value);
      }
    });
  });
}
