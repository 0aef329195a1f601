import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { makeAcceptor, openSession, readChannelKey, signChannelKey } from '@keymesh/channel';
import { failure, type ServiceName } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND, Secret, makeSigningKey, type Clock } from '@keymesh/kernel';
import type { ChannelKeyStore, StoredChannelKey } from '@keymesh/postgres';
import { makeLogger } from '../telemetry/logger.js';
import { certifiedChannelKeys, type CertifiedChannelKeysOptions } from './certified-channel-keys.js';

const mesh = makeSigningKey().key;
const logger = makeLogger({ service: 'audit', instance: 'i', level: 'silent' });
// Fake timers turn Date and performance as well.
const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
const DAY_MS = 24 * HOUR;

const certify = (publicKey: string, service: ServiceName = 'audit'): Promise<string> => {
  const notBefore = clock.now();
  return Promise.resolve(
    signChannelKey({ service, publicKey, notBefore, notAfter: notBefore + DAY_MS }, mesh),
  );
};

function makeStore() {
  const rows = new Map<string, StoredChannelKey>();
  const store: ChannelKeyStore = {
    list: () => Promise.resolve([...rows.values()].sort((a, b) => b.notAfter - a.notAfter)),
    save: (key) => Promise.resolve(void rows.set(key.keyId, key)),
    destroyEndedBefore(nowMs) {
      const ended = [...rows.values()].filter(({ notAfter }) => notAfter < nowMs);
      for (const { keyId } of ended) rows.delete(keyId);
      return Promise.resolve(ended.length);
    },
  };
  return { rows, store };
}

const providers: { stop(): unknown }[] = [];
function make(options: Partial<CertifiedChannelKeysOptions> = {}) {
  const provider = certifiedChannelKeys({
    service: 'audit',
    meshPublicKey: mesh.publicKeyText,
    stateKey: new Secret(new Uint8Array(32).fill(9), 'state-key'),
    store: makeStore().store,
    certify,
    clock,
    logger,
    ...options,
  });
  providers.push(provider);
  void provider.start();
  return provider;
}

// Key imports settle on the event loop, which the fake timers do not turn.
const settle = async (ms = 0): Promise<void> => {
  await jest.advanceTimersByTimeAsync(ms);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const keyIdOf = (statement: string): string =>
  readChannelKey(statement, mesh.publicKeyText, 'audit', clock.now())?.keyId ?? 'none';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
afterEach(() => {
  for (const provider of providers.splice(0)) provider.stop();
  jest.useRealTimers();
});

describe('certified channel keys', () => {
  it('are certified, and open what clients seal for them', async () => {
    const provider = make();
    await settle();
    const [statement = ''] = provider.currentStatements();
    const client = makeSigningKey().key;
    const service = readChannelKey(statement, mesh.publicKeyText, 'audit', clock.now());
    const session = await openSession({ principal: 'app', signingKey: client, service: service!, clock });
    const acceptor = makeAcceptor({
      service: 'audit',
      privateKey: (keyId) => provider.privateKey(keyId),
      isChannelKeyOf: (_principal, key) => key === client.publicKeyText,
      clock,
    });
    expect((await acceptor.accept(session.setupHeader)).sessionId).toBe(session.sessionId);
  });

  it('survive a restart without the vault, and open only under the same state key', async () => {
    const { store } = makeStore();
    const first = make({ store });
    await settle();
    void first.stop();
    const away = () => Promise.reject(failure('UNAVAILABLE'));
    const second = make({ store, certify: away });
    const foreign = make({
      store,
      certify: away,
      stateKey: new Secret(new Uint8Array(32).fill(1), 'state-key'),
    });
    await settle();
    expect(second.currentStatements()).toEqual(first.currentStatements());
    expect(second.privateKey(keyIdOf(second.currentStatements()[0] ?? ''))).toBeDefined();
    expect(foreign.currentStatements()).toEqual([]);
  });

  it('are not at rest in any readable form', async () => {
    const { store, rows } = makeStore();
    make({ store });
    await settle();
    const [row] = rows.values();
    expect(row?.sealedPrivateKey.length).toBe(1 + 32 + 12 + 32 + 16);
  });

  it('are tried again until the vault answers', async () => {
    let attempts = 0;
    const provider = make({
      certify: (publicKey) => (++attempts < 4 ? Promise.reject(failure('UNAVAILABLE')) : certify(publicKey)),
    });
    await settle();
    expect(provider.currentStatements()).toEqual([]);
    for (let round = 0; round < 4; round += 1) await settle(2 * SECOND);
    expect(attempts).toBe(4);
    expect(provider.currentStatements()).toHaveLength(1);
  });

  it.each([
    ['of another service', (publicKey: string) => certify(publicKey, 'vault')],
    ['of another key', () => certify(makeSigningKey().key.publicKeyText)],
    [
      'by another mesh key',
      (publicKey: string) => {
        const notBefore = clock.now();
        const fields = { service: 'audit', publicKey, notBefore, notAfter: notBefore + DAY_MS };
        return Promise.resolve(signChannelKey(fields, makeSigningKey().key));
      },
    ],
    ['that is no statement', () => Promise.resolve('nonsense')],
  ])('refuse a certificate %s', async (_what, wrong) => {
    const { store, rows } = makeStore();
    const provider = make({ store, certify: wrong });
    await settle();
    expect(provider.currentStatements()).toEqual([]);
    expect(rows.size).toBe(0);
  });

  it('are renewed at half their life and destroyed at its end, here and in the store', async () => {
    const { store, rows } = makeStore();
    const provider = make({ store });
    await settle();
    const old = keyIdOf(provider.currentStatements()[0] ?? '');
    await settle(12 * HOUR + MINUTE);
    expect(rows.size).toBe(2);
    expect(provider.privateKey(old)).toBeDefined();
    await settle(MINUTE);
    expect(keyIdOf(provider.currentStatements()[0] ?? '')).not.toBe(old);
    await settle(12 * HOUR);
    expect(provider.privateKey(old)).toBeUndefined();
    expect([...rows.keys()]).not.toContain(old);
  });

  it('of another instance are taken in before clients are told of them', async () => {
    const { store } = makeStore();
    const first = make({ store });
    await settle();
    const other = make({ store });
    await settle();
    await settle(12 * HOUR + MINUTE);
    const told = () => first.currentStatements().map(keyIdOf);
    const newest = [...(await store.list())][0]?.keyId ?? '';
    for (const provider of [first, other]) expect(provider.privateKey(newest)).toBeDefined();
    await settle(MINUTE);
    expect(told()).toContain(newest);
  });
});
