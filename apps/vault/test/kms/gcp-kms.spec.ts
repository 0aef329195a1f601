import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { crc32c } from '../../src/kms/crc32c.js';
import { makeGcpKms } from '../../src/kms/gcp-kms.js';
import { clientOf, gcpError, startGcpStub, type GcpStub } from '../support/gcp-stub.js';
import { describeKmsConformance, KEK_CONTEXT } from './conformance.js';

const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');

describeKmsConformance('gcp-kms', async () => {
  const gcp = await startGcpStub();
  return {
    open: () => makeGcpKms(gcp.options('kek')),
    openOtherKey: () => makeGcpKms(gcp.options('other')),
    openAway: () => makeGcpKms({ ...gcp.options('kek'), client: clientOf('127.0.0.1', 9, gcp.token) }),
    secrets: [gcp.token],
    stop: () => gcp.http.stop(),
  };
});

describe('Google Cloud KMS', () => {
  let gcp: GcpStub;
  beforeAll(async () => {
    gcp = await startGcpStub();
  });
  afterAll(() => gcp.http.stop());
  const open = () => makeGcpKms(gcp.options('kek'));

  it('is asked with the context as additional authenticated data, and checksums of everything', async () => {
    const wrapped = await open().wrapKey(key(), { b: '2', a: '1' });
    const aad = Buffer.from('{"a":"1","b":"2"}');
    expect(gcp.http.last()).toMatchObject({
      method: 'POST',
      body: {
        plaintext: Buffer.alloc(32, 7).toString('base64'),
        additionalAuthenticatedData: aad.toString('base64'),
        additionalAuthenticatedDataCrc32c: String(crc32c(aad)),
        plaintextCrc32c: String(crc32c(Buffer.alloc(32, 7))),
      },
    });
    expect(decodeURIComponent(gcp.http.last()!.path)).toMatch(`/v1/${open().keyId}:encrypt`);
    await open().unwrapKey(wrapped, { a: '1', b: '2' });
    expect(gcp.http.last()?.body).toMatchObject({
      ciphertext: Buffer.from(wrapped).toString('base64'),
      ciphertextCrc32c: String(crc32c(wrapped)),
    });
    expect(decodeURIComponent(gcp.http.last()!.path)).toMatch(`/v1/${open().keyId}:decrypt`);
  });

  describe('that misbehaves', () => {
    let wrapped: Uint8Array;
    beforeAll(async () => {
      wrapped = await open().wrapKey(key(), KEK_CONTEXT);
    });
    afterAll(() => (gcp.misbehave = undefined));
    const change = (more: Readonly<Record<string, unknown>>) => {
      gcp.misbehave = (_, { status, body }) => ({ status, body: { ...(body as object), ...more } });
    };

    it.each([
      [401, 'UNAUTHENTICATED'],
      [403, 'PERMISSION_DENIED'],
      [404, 'NOT_FOUND'],
      [400, 'FAILED_PRECONDITION'],
      [429, 'RESOURCE_EXHAUSTED'],
      [500, 'INTERNAL'],
      [503, 'UNAVAILABLE'],
    ])('is KMS_UNAVAILABLE on HTTP %d %s and repeats nothing of it', async (status, name) => {
      gcp.misbehave = () => gcpError(status, name);
      for (const call of [
        () => open().unwrapKey(wrapped, KEK_CONTEXT),
        () => open().wrapKey(key(), KEK_CONTEXT),
      ]) {
        const error = await expectCode(call, 'KMS_UNAVAILABLE');
        expect(error.details).toEqual({ kms: 'gcp-kms', error: expect.stringMatching(/^code \d+$/) });
        expect(error.cause).toBeUndefined();
      }
    });

    it.each([
      ['a plaintext that another checksum belongs to', { plaintext: Buffer.alloc(32, 8).toString('base64') }],
      ['no checksum', { plaintextCrc32c: undefined }],
      ['no plaintext', { plaintext: undefined }],
    ])('is KMS_UNAVAILABLE when it unwraps to %s', async (_, more) => {
      change(more);
      const error = await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      expect(error.details.error).toBe('damaged on the way');
    });

    it.each([
      ['a ciphertext that another checksum belongs to', { ciphertext: 'AAAA' }],
      ['no word that it saw the plaintext whole', { verifiedPlaintextCrc32c: false }],
      ['no word that it saw the context whole', { verifiedAdditionalAuthenticatedDataCrc32c: undefined }],
      ['another key', { name: 'projects/x/locations/x/keyRings/x/cryptoKeys/x/cryptoKeyVersions/1' }],
    ])('is KMS_UNAVAILABLE when it wraps with %s', async (_, more) => {
      change(more);
      const error = await expectCode(open().wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
      expect(error.details.error).toBe('damaged on the way');
    });

    it('does not take an invalid request to wrap for bytes that do not unwrap', async () => {
      gcp.misbehave = () => gcpError(400, 'INVALID_ARGUMENT');
      await expectCode(open().wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'DECRYPTION_FAILED');
    });

    it('is KMS_UNAVAILABLE when it answers no JSON, or breaks off', async () => {
      gcp.misbehave = () => ({ status: 200, body: '<html>' });
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      gcp.misbehave = () => 'reset';
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
    });

    it('is KMS_UNAVAILABLE within the time that a caller waits when it hangs', async () => {
      gcp.misbehave = () => 'hang';
      const since = performance.now();
      await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      expect(performance.now() - since).toBeLessThan(10_000);
    });
  });
});
