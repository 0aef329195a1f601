import { randomBytes } from 'node:crypto';
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { makeAwsKms } from '../../src/kms/aws-kms.js';
import { makeKeyring } from '../../src/kms/keyring.js';
import { makeFakeKekStore } from '../fakes.js';
import { startHttpStub, type HttpStub } from '../support/http-stub.js';
import { startMoto, type Moto } from '../support/moto.js';
import { describeKmsConformance } from './conformance.js';

const region = 'eu-west-1';
const credentials = { accessKeyId: 'test', secretAccessKey: randomBytes(12).toString('hex') };
const context = { purpose: 'kek', kekId: '1' };
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');

/** moto's ciphertext begins with the id of its key, which AWS would authenticate. */
const KEY_ID_BYTES = 36;

async function makeKeys({ endpoint }: Moto, aliases: readonly string[]): Promise<string[]> {
  const admin = new KMSClient({ region, endpoint, credentials });
  const made = await Promise.all(
    aliases.map(async (alias) => {
      const { KeyMetadata } = await admin.send(new CreateKeyCommand({}));
      const keyId = KeyMetadata?.KeyId ?? '';
      await admin.send(new CreateAliasCommand({ AliasName: `alias/${alias}`, TargetKeyId: keyId }));
      return keyId;
    }),
  );
  admin.destroy();
  return made;
}

describeKmsConformance('aws-kms', async () => {
  const moto = await startMoto();
  await makeKeys(moto, ['keymesh', 'other']);
  const open = (keyId: string, endpoint = moto.endpoint) =>
    makeAwsKms({ keyId, region, endpoint, credentials });
  return {
    open: () => open('alias/keymesh'),
    openOtherKey: () => open('alias/other'),
    openAway: () => open('alias/keymesh', 'http://127.0.0.1:9'),
    secrets: [credentials.secretAccessKey],
    plainBytes: KEY_ID_BYTES,
    // AWS says IncorrectKeyException (below), moto AccessDeniedException.
    otherKeyCode: 'KMS_UNAVAILABLE',
    stop: () => moto.stop(),
  };
});

describe('AWS KMS', () => {
  let moto: Moto;
  let keyIds: string[];
  const kmsOf = (keyId: string, endpoint = moto.endpoint) =>
    makeAwsKms({ keyId, region, endpoint, credentials });

  beforeAll(async () => {
    moto = await startMoto();
    keyIds = await makeKeys(moto, ['keymesh']);
  }, 60_000);
  afterAll(() => moto.stop());

  it('unwraps by the key id what it wrapped by an alias', async () => {
    const wrapped = await kmsOf('alias/keymesh').wrapKey(key(), context);
    expect((await kmsOf(keyIds[0]!).unwrapKey(wrapped, context)).equals(key())).toBe(true);
  });

  it('keeps a keyring going, with the ids of namespace and version in its context', async () => {
    const keyring = makeKeyring({
      kms: kmsOf('alias/keymesh'),
      store: makeFakeKekStore(),
      clock: systemClock,
    });
    const { kekId, key: kek } = await keyring.activeKek('billing');
    keyring.drop();
    expect((await keyring.kek(kekId)).key.equals(kek)).toBe(true);
  });

  it('is KMS_UNAVAILABLE for a key that is not there, and for nobody at home', async () => {
    await expectCode(kmsOf('alias/none').wrapKey(key(), context), 'KMS_UNAVAILABLE');
    await expectCode(kmsOf('alias/keymesh', 'http://127.0.0.1:9').wrapKey(key(), context), 'KMS_UNAVAILABLE');
  });

  describe('as its API says it answers', () => {
    let stub: HttpStub;
    beforeAll(async () => {
      stub = await startHttpStub();
    });
    afterAll(() => stub.stop());
    const fails = (status: number, type: string) => {
      stub.answer = () => ({
        status,
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': type },
        body: { __type: type, message: 'told by the server' },
      });
    };

    it('is asked for the configured key, with the context in CloudTrail', async () => {
      stub.answer = () => ({ status: 200, body: { Plaintext: Buffer.alloc(32, 7).toString('base64') } });
      const wrapped = new Uint8Array([1, 2, 3]);
      expect((await kmsOf('alias/a', stub.address).unwrapKey(wrapped, context)).equals(key())).toBe(true);
      expect(stub.last()).toMatchObject({
        headers: { 'x-amz-target': 'TrentService.Decrypt' },
        body: { KeyId: 'alias/a', CiphertextBlob: 'AQID', EncryptionContext: context },
      });
    });

    it.each([
      ['a disabled key', 400, 'DisabledException'],
      ['a key that is to be deleted', 400, 'KMSInvalidStateException'],
      ['a key policy that denies us', 400, 'AccessDeniedException'],
      ['a key that is gone', 400, 'NotFoundException'],
      ['throttling', 400, 'ThrottlingException'],
      ['its own limits', 400, 'LimitExceededException'],
      ['an error of its own', 500, 'KMSInternalException'],
      ['a dependency that is away', 503, 'DependencyTimeoutException'],
    ])('is KMS_UNAVAILABLE on %s and repeats nothing of it', async (_, status, type) => {
      fails(status, type);
      const call = kmsOf('k', stub.address).unwrapKey(Uint8Array.of(1), context);
      const error = await expectCode(call, 'KMS_UNAVAILABLE');
      expect(error.details).toEqual({ kms: 'aws-kms', error: type });
      expect(error.cause).toBeUndefined();
    });

    it('is asked again once when it throttles, and no more', async () => {
      fails(400, 'ThrottlingException');
      const before = stub.seen.length;
      await expectCode(kmsOf('k', stub.address).wrapKey(key(), context), 'KMS_UNAVAILABLE');
      expect(stub.seen.length - before).toBe(2);
    });

    it.each(['InvalidCiphertextException', 'IncorrectKeyException'])(
      'has refused the bytes with %s, and tells no more',
      async (type) => {
        fails(400, type);
        const call = kmsOf('k', stub.address).unwrapKey(Uint8Array.of(1), context);
        expect((await expectCode(call, 'DECRYPTION_FAILED')).details).toEqual({});
      },
    );

    it.each([
      ['nothing', ''],
      ['no bytes', {}],
      ['no JSON', '<html>'],
    ])('is KMS_UNAVAILABLE when it answers %s', async (_, body) => {
      stub.answer = () => ({ status: 200, body });
      await expectCode(kmsOf('k', stub.address).unwrapKey(Uint8Array.of(1), context), 'KMS_UNAVAILABLE');
    });

    it('is KMS_UNAVAILABLE within the time that a caller waits when it hangs', async () => {
      stub.answer = () => 'hang';
      const since = performance.now();
      await expectCode(kmsOf('k', stub.address).unwrapKey(Uint8Array.of(1), context), 'KMS_UNAVAILABLE');
      expect(performance.now() - since).toBeLessThan(10_000);
    });
  });
});
