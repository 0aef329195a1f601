import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { eventually, expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeRootKms } from '../../src/kms/composite.js';
import { openKms } from '../../src/kms/index.js';
import { KEK_TTL_MS, makeKeyring, type KekStore, type Keyring } from '../../src/kms/keyring.js';
import type { Kms } from '../../src/kms/kms.js';
import { FAILURES_TO_OPEN, REST_MS } from '../../src/kms/resilient.js';
import { makeFakeKekStore } from '../fakes.js';
import { startFaultProxy, type Fault, type FaultProxy } from '../support/fault-proxy.js';
import { makeMemberKms } from '../support/member-kms.js';
import { startMoto, type Moto } from '../support/moto.js';

const region = 'eu-west-1';
const DEADLINE_MS = 1_000;
/** What a call may take beside its deadline on a machine that does other things as well. */
const SLACK_MS = 3_000;

// The KMS as the vault has it (deadline, breaker, commitment) and the keyring, against an emulator behind a proxy that misbehaves.
describe('KEKs while the KMS', () => {
  let moto: Moto;
  let proxy: FaultProxy;
  let keyId: string;
  let clock: TestClock;
  let store: KekStore;
  let kms: Kms;
  let keyring: Keyring;
  let kekId: string;

  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
    moto = await startMoto();
    proxy = await startFaultProxy(moto.endpoint);
    const admin = new KMSClient({ region, endpoint: moto.endpoint });
    keyId = (await admin.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? '';
    admin.destroy();
  }, 60_000);
  afterAll(async () => {
    proxy.stop();
    await moto.stop();
  });
  beforeEach(async () => {
    proxy.fault = 'none';
    clock = makeTestClock();
    store = makeFakeKekStore();
    kms = await openKms(
      { kind: 'aws-kms', keyId, region, endpoint: proxy.endpoint, deadlineMs: 10_000 },
      { clock },
    );
    keyring = makeKeyring({ kms, store, clock });
    kekId = (await keyring.activeKek('billing')).kekId;
    await keyring.kek(kekId);
    kms = await openKms(
      { kind: 'aws-kms', keyId, region, endpoint: proxy.endpoint, deadlineMs: DEADLINE_MS },
      { clock },
    );
    keyring = makeKeyring({ kms, store, clock });
    await eventually(() => keyring.kek(kekId));
  }, 30_000);

  it.each<Fault>(['down', 'throttled', 'hanging'])(
    'is %s: cached ones serve to the end of their time, then KMS_UNAVAILABLE within the deadline, then it comes back',
    async (fault) => {
      proxy.fault = fault;
      for (let age = 0; age < 5; age += 1) {
        expect((await keyring.kek(kekId)).kekId).toBe(kekId);
        clock.advance(KEK_TTL_MS / 5 - 1);
      }
      clock.advance(5);
      for (let ask = 0; ask < FAILURES_TO_OPEN; ask += 1) {
        const since = performance.now();
        await expectCode(keyring.kek(kekId), 'KMS_UNAVAILABLE');
        expect(performance.now() - since).toBeLessThan(DEADLINE_MS + SLACK_MS);
      }
      // From here on nobody waits and the KMS is left alone.
      const before = proxy.requests;
      const asked = await Promise.allSettled(Array.from({ length: 200 }, () => keyring.kek(kekId)));
      expect(asked.every(({ status }) => status === 'rejected')).toBe(true);
      expect(proxy.requests).toBe(before);
      proxy.fault = 'none';
      await eventually(async () => {
        clock.advance(REST_MS);
        expect((await keyring.kek(kekId)).kekId).toBe(kekId);
      });
    },
    60_000,
  );

  it('gives altered keys: none is used or kept, and the right one serves again', async () => {
    keyring.drop();
    proxy.fault = 'altered';
    for (let ask = 0; ask < 2 * FAILURES_TO_OPEN; ask += 1)
      await eventually(() => expectCode(keyring.kek(kekId), 'CREDENTIAL_DAMAGED'));
    const rows = await store.ensureNamespace('new', 'n-new');
    await expectCode(keyring.activeKek('new'), 'DECRYPTION_FAILED');
    expect(await store.findActive(rows)).toBeUndefined(); // nothing was stored under a key that does not come back
    proxy.fault = 'none';
    expect((await eventually(() => keyring.kek(kekId))).kekId).toBe(kekId);
  }, 60_000);

  it('flaps: whoever asks gets the key or KMS_UNAVAILABLE, never a wrong one, and it settles', async () => {
    const right = (await keyring.kek(kekId)).key;
    for (let round = 0; round < 24; round += 1) {
      proxy.fault = (['none', 'down', 'throttled', 'altered'] as const)[round % 4] ?? 'none';
      keyring.drop();
      clock.advance(REST_MS);
      const [asked] = await Promise.allSettled([keyring.kek(kekId)]);
      if (asked.status === 'fulfilled') expect(asked.value.key.equals(right)).toBe(true);
      else
        expect(['KMS_UNAVAILABLE', 'CREDENTIAL_DAMAGED']).toContain((asked.reason as { code: string }).code);
    }
    proxy.fault = 'none';
    await eventually(async () => {
      clock.advance(REST_MS);
      expect((await keyring.kek(kekId)).key.equals(right)).toBe(true);
    });
  }, 60_000);

  it('hangs, and so does the other member of any-of: both together take no longer than one may', async () => {
    const context = { purpose: 'spec' };
    const members = ['aws-kms', 'vault-transit'].map((provider) => makeMemberKms(provider).kms);
    const plain = new Secret(new Uint8Array(32), 'kek');
    const wrapped = await makeRootKms({ mode: 'any-of', members }).wrapKey(plain, context);
    const folder = mkdtempSync(join(tmpdir(), 'keymesh-faults-'));
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'a-token', { mode: 0o600 });
    const root = await openKms({
      kind: 'any-of',
      strict: false,
      deadlineMs: 5_000,
      members: [
        { kind: 'aws-kms', keyId, region, endpoint: proxy.endpoint },
        {
          kind: 'vault-transit',
          address: proxy.endpoint,
          key: 'k',
          mount: 'transit',
          namespace: undefined,
          auth: { method: 'token', tokenFile },
        },
      ],
    });
    proxy.fault = 'hanging';
    proxy.requests = 0;
    const since = performance.now();
    await expectCode(root.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
    expect(performance.now() - since).toBeLessThan(2 * 5_000 - 500);
    expect(proxy.requests).toBeGreaterThan(1); // each was asked
    rmSync(folder, { recursive: true });
  }, 30_000);
});
