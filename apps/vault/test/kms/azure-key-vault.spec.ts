import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { makeAzureKeyVaultKms, type AzureKeyVaultOptions } from '../../src/kms/azure-key-vault.js';
import { azureError, startAzureStub, type AzureStub } from '../support/azure-stub.js';
import { describeKmsConformance, KEK_CONTEXT } from './conformance.js';

const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');

describeKmsConformance('azure-key-vault', async () => {
  const azure = await startAzureStub();
  for (const name of ['kek', 'other']) azure.rotate(name);
  const away: AzureKeyVaultOptions = {
    ...azure.options('kek'),
    client: { httpClient: { sendRequest: () => Promise.reject(new Error('nobody at home')) } },
  };
  return {
    open: () => makeAzureKeyVaultKms(azure.options('kek')),
    openOtherKey: () => makeAzureKeyVaultKms(azure.options('other')),
    openAway: () => makeAzureKeyVaultKms(away),
    secrets: [azure.token],
    // The version of the key says which key unwraps; of another one Azure says that it is not there.
    otherKeyCode: 'KMS_UNAVAILABLE',
    plainBytes: 33,
    stop: () => azure.http.stop(),
  };
});

describe('Azure Key Vault', () => {
  let azure: AzureStub;
  beforeAll(async () => {
    azure = await startAzureStub();
    azure.rotate('kek');
  });
  afterAll(() => azure.http.stop());
  const open = (algorithm?: AzureKeyVaultOptions['algorithm']) =>
    makeAzureKeyVaultKms(azure.options('kek', algorithm));
  const asked = (since: number) =>
    azure.http.seen.slice(since).map(({ method, path }) => `${method} ${decodeURIComponent(path)}`);

  it('is asked to wrap with the current version, and to unwrap with the one that wrapped', async () => {
    const since = azure.http.seen.length;
    const wrapped = await open().wrapKey(key(), KEK_CONTEXT);
    const version = Buffer.from(wrapped).toString('latin1', 1, 33);
    expect(asked(since)).toContainEqual(
      expect.stringMatching(`^POST /keys/kek/${version}/wrapkey\\?api-version=\\d`),
    );
    azure.rotate('kek');
    const later = azure.http.seen.length;
    expect((await open().unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
    expect(asked(later)).toContainEqual(
      expect.stringMatching(`^POST /keys/kek/${version}/unwrapkey\\?api-version=\\d`),
    );
    const next = await open().wrapKey(key(), KEK_CONTEXT);
    expect(Buffer.from(next).toString('latin1', 1, 33)).not.toBe(version);
  });

  it('is given a wrapping key and a hash of the context, never the key itself', async () => {
    await open().wrapKey(key(), KEK_CONTEXT);
    const { body } = azure.http.last()!;
    const given = Buffer.from(String(body.value), 'base64url');
    expect(body.alg).toBe('RSA-OAEP-256');
    expect(given).toHaveLength(64);
    expect(given.includes(Buffer.alloc(8, 7))).toBe(false);
  });

  it('wraps with an AES key of a Managed HSM', async () => {
    const wrapped = await open('A256KW').wrapKey(key(), KEK_CONTEXT);
    expect(azure.http.last()?.body.alg).toBe('A256KW');
    expect((await open('A256KW').unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
    await expectCode(open('A256KW').unwrapKey(wrapped, {}), 'DECRYPTION_FAILED');
    await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'DECRYPTION_FAILED');
  });

  it('keeps to the configured vault and key, whatever a row says', async () => {
    const wrapped = Buffer.from(await open().wrapKey(key(), KEK_CONTEXT));
    for (const version of ['../../other/0123456789abcdef0123', 'ABCDEF0123456789ABCDEF0123456789']) {
      const planted = Buffer.from(wrapped);
      planted.write(version, 1, 32, 'latin1');
      const since = azure.http.seen.length;
      await expectCode(open().unwrapKey(planted, KEK_CONTEXT), 'DECRYPTION_FAILED');
      expect(asked(since)).toEqual([]);
    }
  });

  describe('that misbehaves', () => {
    let wrapped: Uint8Array;
    beforeAll(async () => {
      wrapped = await open().wrapKey(key(), KEK_CONTEXT);
    });
    afterAll(() => (azure.misbehave = undefined));

    it.each([
      [403, 'Forbidden'],
      [404, 'KeyNotFound'],
      [429, 'Throttled'],
      [500, 'InternalServerError'],
      [503, 'ServiceUnavailable'],
    ])('is KMS_UNAVAILABLE on HTTP %d %s and repeats nothing of it', async (status, code) => {
      azure.misbehave = () => azureError(status, code);
      const calls = [() => open().unwrapKey(wrapped, KEK_CONTEXT), () => open().wrapKey(key(), KEK_CONTEXT)];
      for (const call of calls) {
        const error = await expectCode(call, 'KMS_UNAVAILABLE');
        expect(error.details).toEqual({ kms: 'azure-key-vault', error: `HTTP ${String(status)}` });
        expect(error.cause).toBeUndefined();
      }
    });

    it('serves without the right to read the key when it unwraps', async () => {
      azure.misbehave = ({ method }) => (method === 'GET' ? azureError(403, 'Forbidden') : undefined);
      expect((await open().unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
    });

    it.each([
      ['another key', Buffer.alloc(64, 1).toString('base64url')],
      ['a shorter key', Buffer.alloc(16).toString('base64url')],
    ])('has given %s: DECRYPTION_FAILED, never a key', async (_, value) => {
      azure.misbehave = ({ path }) =>
        path.includes('/unwrapkey') ? { status: 200, body: { kid: 'k', value } } : undefined;
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'DECRYPTION_FAILED');
    });

    it('is KMS_UNAVAILABLE when it answers no JSON or no bytes, or breaks off', async () => {
      azure.misbehave = () => ({ status: 200, body: '<html>' });
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      azure.misbehave = () => 'reset';
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      azure.misbehave = ({ method }) => (method === 'POST' ? { status: 200, body: { kid: 'k' } } : undefined);
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
    });

    it('is KMS_UNAVAILABLE within the time that a caller waits when it hangs', async () => {
      azure.misbehave = () => 'hang';
      const since = performance.now();
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      expect(performance.now() - since).toBeLessThan(10_000);
    });
  });
});
