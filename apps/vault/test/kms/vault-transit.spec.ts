import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { makeVaultTransitKms, type VaultTransitOptions } from '../../src/kms/vault-transit.js';
import { startHttpStub, type HttpStub } from '../support/http-stub.js';
import { startOpenBao, type OpenBao } from '../support/open-bao.js';
import { describeKmsConformance, KEK_CONTEXT } from './conformance.js';

const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');

describeKmsConformance('vault-transit', async () => {
  const bao = await startOpenBao();
  for (const name of ['kek', 'other']) await bao.api('POST', `transit/keys/${name}`, {});
  const token = await bao.tokenFor('kek', 'other');
  const tokenFile = await bao.file('token', `${token}\n`);
  const open = (change: Partial<VaultTransitOptions> = {}) =>
    makeVaultTransitKms({
      address: bao.address,
      key: 'kek',
      mount: 'transit',
      auth: { method: 'token', tokenFile },
      ...change,
    });
  return {
    open: () => open(),
    openOtherKey: () => open({ key: 'other' }),
    openAway: () => open({ address: 'http://127.0.0.1:9' }),
    secrets: [token],
    stop: () => bao.stop(),
  };
});

describe('the transit engine of OpenBao', () => {
  let bao: OpenBao;
  let tokenFile: string;
  const open = (change: Partial<VaultTransitOptions> = {}) =>
    makeVaultTransitKms({
      address: bao.address,
      key: 'kek',
      mount: 'transit',
      auth: { method: 'token', tokenFile },
      ...change,
    });
  beforeAll(async () => {
    bao = await startOpenBao();
    await bao.api('POST', 'transit/keys/kek', {});
    tokenFile = await bao.file('token', await bao.tokenFor('kek'));
  }, 60_000);
  afterAll(() => bao.stop());

  it('refuses every other version before the wrapped bytes, also 0, which the server takes for 1', async () => {
    const kms = open();
    const wrapped = await kms.wrapKey(key(), KEK_CONTEXT);
    for (let bit = 0; bit < 32; bit += 1) {
      const changed = Buffer.from(wrapped);
      changed.writeUInt32BE((changed.readUInt32BE() ^ (1 << bit)) >>> 0);
      await expectCode(kms.unwrapKey(changed, KEK_CONTEXT), 'DECRYPTION_FAILED');
    }
  });

  it('unwraps what an earlier version of its key wrapped, until that version is retired', async () => {
    const kms = open();
    const before = await kms.wrapKey(key(), KEK_CONTEXT);
    await bao.api('POST', 'transit/keys/kek/rotate', {});
    const after = await kms.wrapKey(key(), KEK_CONTEXT);
    expect([before, after].map((wrapped) => Buffer.from(wrapped).readUInt32BE())).toEqual([1, 2]);
    expect((await kms.unwrapKey(before, KEK_CONTEXT)).equals(key())).toBe(true);
    await bao.api('POST', 'transit/keys/kek/config', { min_decryption_version: 2 });
    await expectCode(kms.unwrapKey(before, KEK_CONTEXT), 'KMS_UNAVAILABLE');
    expect((await kms.unwrapKey(after, KEK_CONTEXT)).equals(key())).toBe(true);
    await bao.api('POST', 'transit/keys/kek/config', { min_decryption_version: 1 });
    expect((await kms.unwrapKey(before, KEK_CONTEXT)).equals(key())).toBe(true);
  });

  it('reads the token again, so that an agent may renew the file', async () => {
    const renewed = await bao.file('renewed', 'not a token');
    const kms = open({ auth: { method: 'token', tokenFile: renewed } });
    const error = await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    expect(error.details).toEqual({ kms: 'vault-transit', error: 'HTTP 403' });
    await bao.file('renewed', await bao.tokenFor('kek'));
    expect((await kms.wrapKey(key(), KEK_CONTEXT)).length).toBeGreaterThan(32);
  });

  it('is KMS_UNAVAILABLE for a key that is not there and must not come into being by asking for it', async () => {
    const error = await expectCode(open({ key: 'none' }).wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    expect(error.details.error).toBe('HTTP 403');
    await expect(bao.api('GET', 'transit/keys/none')).rejects.toThrow('404');
  });

  it('is KMS_UNAVAILABLE when its file cannot be read', async () => {
    const kms = open({ auth: { method: 'token', tokenFile: `${bao.folder}/nowhere` } });
    await expectCode(kms.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
  });

  it('logs in by AppRole, once for many calls, and again when its login was revoked', async () => {
    await bao.api('POST', 'sys/auth/approle', { type: 'approle' });
    await bao.api('POST', 'sys/policies/acl/vault', {
      policy: 'path "transit/+/kek" { capabilities = ["update"] }',
    });
    await bao.api('POST', 'auth/approle/role/vault', { token_policies: ['vault'], token_ttl: '20m' });
    const { data: role } = await bao.api('GET', 'auth/approle/role/vault/role-id');
    const { data: secret } = await bao.api('POST', 'auth/approle/role/vault/secret-id', {});
    const secretIdFile = await bao.file('secret-id', String(secret.secret_id));
    const kms = open({
      auth: { method: 'approle', mount: 'approle', roleId: String(role.role_id), secretIdFile },
    });
    const logins = async () => (await bao.api('GET', 'auth/token/accessors?list=true')).data.keys as string[];
    const before = await logins();
    const all = await Promise.all(Array.from({ length: 8 }, () => kms.wrapKey(key(), KEK_CONTEXT)));
    for (const wrapped of all) expect((await kms.unwrapKey(wrapped, KEK_CONTEXT)).equals(key())).toBe(true);
    const made = (await logins()).filter((accessor) => !before.includes(accessor));
    expect(made).toHaveLength(1);
    await bao.api('POST', 'auth/token/revoke-accessor', { accessor: made[0] });
    expect((await kms.unwrapKey(all[0]!, KEK_CONTEXT)).equals(key())).toBe(true);
    await bao.file('secret-id', 'another');
    const wrong = open({
      auth: { method: 'approle', mount: 'approle', roleId: String(role.role_id), secretIdFile },
    });
    const error = await expectCode(wrong.wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    expect(error.details.error).toBe('the login was refused');
  });
});

describe('what a transit server is asked, and may answer', () => {
  let stub: HttpStub;
  let open: (change?: Partial<VaultTransitOptions>) => ReturnType<typeof makeVaultTransitKms>;
  const planted = randomBytes(12).toString('hex');
  const wrapped = Uint8Array.from([0, 0, 0, 1, ...randomBytes(60)]);

  beforeAll(async () => {
    stub = await startHttpStub();
    const tokenFile = await stub.file('token', planted);
    open = (change = {}) =>
      makeVaultTransitKms({
        address: stub.address,
        key: 'kek',
        mount: 'team/transit',
        auth: { method: 'token', tokenFile },
        ...change,
      });
  });
  afterAll(() => stub.stop());

  it('is asked with token, namespace and the context as associated data', async () => {
    stub.answer = () => ({
      status: 200,
      body: { data: { ciphertext: 'vault:v7:AAECAwQFBgcICQoLDA0ODw==' } },
    });
    const kms = open({ namespace: 'ops' });
    const made = await kms.wrapKey(key(), { b: '2', a: '1' });
    expect([...made.slice(0, 5)]).toEqual([0, 0, 0, 7, 0]);
    expect(stub.last()).toMatchObject({
      method: 'POST',
      path: '/v1/team/transit/encrypt/kek',
      headers: { 'x-vault-token': planted, 'x-vault-namespace': 'ops', 'x-vault-request': 'true' },
      body: {
        plaintext: Buffer.alloc(32, 7).toString('base64'),
        associated_data: Buffer.from('{"a":"1","b":"2"}').toString('base64'),
      },
    });
    expect(kms.keyId).toBe('team/transit/kek');
  });

  it("logs in with the service account's token on Kubernetes", async () => {
    const jwtFile = await stub.file('jwt', 'a.b.c');
    stub.answer = ({ path }) =>
      path.startsWith('/v1/auth/')
        ? { status: 200, body: { auth: { client_token: 'made', lease_duration: 600 } } }
        : { status: 200, body: { data: { plaintext: Buffer.from('key').toString('base64') } } };
    const kms = open({ auth: { method: 'kubernetes', mount: 'k8s-1', role: 'vault', jwtFile } });
    const since = stub.seen.length;
    expect((await kms.unwrapKey(wrapped, KEK_CONTEXT)).sizeBytes).toBe(3);
    expect(stub.seen[since]).toMatchObject({
      path: '/v1/auth/k8s-1/login',
      body: { role: 'vault', jwt: 'a.b.c' },
    });
    expect(stub.last()).toMatchObject({
      path: '/v1/team/transit/decrypt/kek',
      headers: { 'x-vault-token': 'made' },
    });
  });

  it.each([400, 403, 404, 412, 429, 500, 502, 503])(
    'is KMS_UNAVAILABLE on HTTP %d, and repeats nothing of it',
    async (status) => {
      stub.answer = ({ body }) => ({ status, body: { errors: ['told by the server', body, planted] } });
      const error = await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
      expect(error.details).toEqual({ kms: 'vault-transit', error: `HTTP ${String(status)}` });
      expect(error.cause).toBeUndefined();
    },
  );

  it.each([
    ['nothing', ''],
    ['no JSON', '<html>'],
    ['no data', { auth: {} }],
    ['a number for a text', { data: { plaintext: 7, ciphertext: 7 } }],
    ['a ciphertext of another kind', { data: { ciphertext: 'vault:v0:AAAA', plaintext: null } }],
  ])('is KMS_UNAVAILABLE when it answers %s', async (_, body) => {
    stub.answer = () => ({ status: 200, body });
    await expectCode(open().wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
  });

  it('goes nowhere else with key and token', async () => {
    const since = stub.seen.length;
    stub.answer = ({ path }) =>
      path === '/elsewhere'
        ? { status: 200, body: {} }
        : { status: 307, headers: { location: '/elsewhere' } };
    await expectCode(open().wrapKey(key(), KEK_CONTEXT), 'KMS_UNAVAILABLE');
    expect(stub.seen.slice(since).map(({ path }) => path)).toEqual(['/v1/team/transit/encrypt/kek']);
  });

  it('is KMS_UNAVAILABLE within the time that a caller waits when it hangs', async () => {
    stub.answer = () => 'hang';
    const since = performance.now();
    await expectCode(open().unwrapKey(wrapped, KEK_CONTEXT), 'KMS_UNAVAILABLE');
    expect(performance.now() - since).toBeLessThan(10_000);
  });
});
