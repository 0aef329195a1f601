import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { makeAwsKms } from '../src/kms/aws-kms.js';
import { makeKeyring } from '../src/kms/keyring.js';
import { makeFakeKekStore } from './fakes.js';
import { startMoto, type Moto } from './support/moto.js';

const region = 'eu-west-1';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const context = { purpose: 'kek', kekId: '1' };
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');

describe('AWS KMS', () => {
  let moto: Moto;
  let keyIds: string[];
  const kmsOf = (keyId: string, endpoint = moto.endpoint) =>
    makeAwsKms({ keyId, region, endpoint, credentials });

  beforeAll(async () => {
    moto = await startMoto();
    const admin = new KMSClient({ region, endpoint: moto.endpoint, credentials });
    const made = await Promise.all([1, 2].map(() => admin.send(new CreateKeyCommand({}))));
    keyIds = made.map(({ KeyMetadata }) => KeyMetadata?.KeyId ?? '');
    await admin.send(new CreateAliasCommand({ AliasName: 'alias/keymesh', TargetKeyId: keyIds[0] }));
    admin.destroy();
  }, 60_000);
  afterAll(() => moto.stop());

  it('unwraps what it wrapped, by id or alias', async () => {
    const wrapped = await kmsOf('alias/keymesh').wrapKey(key(), context);
    expect(Buffer.from(wrapped).includes(Buffer.alloc(16, 7))).toBe(false);
    expect((await kmsOf(keyIds[0]!).unwrapKey(wrapped, context)).equals(key())).toBe(true);
  });

  it('refuses another context and changed bytes', async () => {
    const kms = kmsOf(keyIds[0]!);
    const wrapped = await kms.wrapKey(key(), context);
    await expectCode(kms.unwrapKey(wrapped, { ...context, kekId: '2' }), 'DECRYPTION_FAILED');
    await expectCode(
      kms.unwrapKey(
        wrapped.map((byte, at) => (at === wrapped.length - 1 ? byte ^ 1 : byte)),
        context,
      ),
      'DECRYPTION_FAILED',
    );
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

  describe('that misbehaves', () => {
    let server: Server;
    let answer: ((respond: (status: number, type: string) => void) => void) | undefined;
    let endpoint: string;
    beforeAll(async () => {
      server = createServer((_request, response) =>
        answer?.((status, type) => {
          response.writeHead(status, {
            'content-type': 'application/x-amz-json-1.1',
            'x-amzn-errortype': type,
          });
          response.end(JSON.stringify({ __type: type, message: 'told by the server' }));
        }),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    });
    afterAll(() => {
      server.closeAllConnections();
      server.close();
    });

    it.each(['DisabledException', 'AccessDeniedException', 'KMSInternalException'])(
      'is KMS_UNAVAILABLE on %s and repeats nothing of it',
      async (type) => {
        answer = (respond) => respond(400, type);
        const error = await expectCode(
          kmsOf('k', endpoint).unwrapKey(Uint8Array.of(1), context),
          'KMS_UNAVAILABLE',
        );
        expect(error.details).toEqual({ kms: 'aws-kms', error: type });
        expect(error.cause).toBeUndefined();
      },
    );

    it('is KMS_UNAVAILABLE within the time that a caller waits when it hangs', async () => {
      answer = undefined;
      const since = performance.now();
      await expectCode(kmsOf('k', endpoint).unwrapKey(Uint8Array.of(1), context), 'KMS_UNAVAILABLE');
      expect(performance.now() - since).toBeLessThan(6_000);
    });
  });
});
