import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { eventually, expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeFakeKekStore, makeFakeKms } from '../../test/fakes.js';
import { makeMemberKms } from '../../test/support/member-kms.js';
import { makeRootKms } from './composite.js';
import { KEK_TTL_MS, makeKeyring, wrapNewKek, type KekStore, type Keyring } from './keyring.js';
import type { Kms } from './kms.js';

describe('the keyring', () => {
  let clock: TestClock;
  let store: KekStore;
  let keyring: Keyring;
  let kms: ReturnType<typeof makeFakeKms>;

  beforeEach(() => {
    clock = makeTestClock();
    store = makeFakeKekStore();
    kms = makeFakeKms();
    keyring = makeKeyring({ kms: kms.kms, store, clock });
  });

  it('makes one KEK for a namespace, also when two ask at once', async () => {
    const other = makeKeyring({ kms: kms.kms, store, clock });
    const keks = await Promise.all([keyring.activeKek('a'), other.activeKek('a'), keyring.activeKek('b')]);
    expect(keks[0].kekId).toBe(keks[1].kekId);
    expect(keks[2].kekId).not.toBe(keks[0].kekId);
    expect(keks[0].key.export().equals(keks[1].key.export())).toBe(true);
  });

  it('asks the KMS once for many uses, and again when the time is over', async () => {
    const { kekId } = await keyring.activeKek('a');
    const before = kms.control.unwraps;
    await Promise.all(Array.from({ length: 50 }, () => keyring.kek(kekId)));
    expect(kms.control.unwraps).toBe(before);
    clock.advance(KEK_TTL_MS);
    await Promise.all([keyring.kek(kekId), keyring.kek(kekId)]);
    expect(kms.control.unwraps).toBe(before + 1);
  });

  it('renews a key beside its use, so that an outage of the KMS finds a young one', async () => {
    const { kekId } = await keyring.activeKek('a');
    const before = kms.control.unwraps;
    clock.advance(KEK_TTL_MS / 2);
    await keyring.kek(kekId);
    await eventually(() => expect(kms.control.unwraps).toBe(before + 1));
    kms.control.away = true;
    clock.advance(KEK_TTL_MS - 1);
    expect((await keyring.kek(kekId)).kekId).toBe(kekId);
    clock.advance(1);
    await expectCode(keyring.kek(kekId), 'KMS_UNAVAILABLE');
  });

  it('opens nothing of a KEK row that was moved to another namespace', async () => {
    const { kekId, namespaceId } = await keyring.activeKek('a');
    const moved = makeKeyring({
      kms: kms.kms,
      store: {
        ...store,
        find: async (id) => ({ ...(await store.find(id))!, namespaceId: `not ${namespaceId}` }),
      },
      clock,
    });
    await expectCode(moved.kek(kekId), 'CREDENTIAL_DAMAGED');
    await expectCode(keyring.kek('unknown'), 'CREDENTIAL_DAMAGED');
  });

  it('wraps with the newest KEK as soon as another instance has rotated it, and opens with the older one', async () => {
    const first = await keyring.activeKek('a');
    const rotated = await wrapNewKek(kms.kms, { namespaceId: first.namespaceId, version: 2 });
    const rotating: KekStore = { ...store, findActive: () => Promise.resolve(rotated) };
    const other = makeKeyring({ kms: kms.kms, store: rotating, clock });
    expect((await other.activeKek('a')).version).toBe(2);
    expect((await other.kek(first.kekId)).version).toBe(1);
  });

  it('stores nothing under a key that the KMS does not give back as it was', async () => {
    const altering = {
      ...kms.kms,
      unwrapKey: () => Promise.resolve(new Secret(new Uint8Array(32), 'other')),
    };
    await expectCode(makeKeyring({ kms: altering, store, clock }).activeKek('a'), 'KMS_UNAVAILABLE');
    expect(await store.findActive(await store.ensureNamespace('a', 'unused'))).toBeUndefined();
  });

  it('gives no key while the vault is locked, also not one that was being unwrapped', async () => {
    const { kekId } = await keyring.activeKek('a');
    let locked = false;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const requireUnlocked = (): void => {
      if (locked) throw failure('VAULT_LOCKED');
    };
    const slow = {
      ...kms.kms,
      unwrapKey: (...of: Parameters<Kms['unwrapKey']>) => held.then(() => kms.kms.unwrapKey(...of)),
    };
    const lockable = makeKeyring({ kms: slow, store, clock, requireUnlocked });
    const waiting = lockable.kek(kekId);
    locked = true;
    lockable.drop();
    release();
    await expectCode(waiting, 'VAULT_LOCKED');
    await expectCode(lockable.kek(kekId), 'VAULT_LOCKED');
    await expectCode(lockable.activeKek('a'), 'VAULT_LOCKED');
    locked = false;
    expect((await lockable.kek(kekId)).kekId).toBe(kekId);
  });

  it('forgets unwrapped keys when told', async () => {
    const { kekId } = await keyring.activeKek('a');
    keyring.drop();
    kms.control.away = true;
    await expectCode(keyring.kek(kekId), 'KMS_UNAVAILABLE');
  });

  it('takes its time and uses from the configuration, and renews at half of either', async () => {
    const { kekId } = await keyring.activeKek('a');
    const short = makeKeyring({ kms: kms.kms, store, clock, ttlMs: 10_000, maxUses: 10 });
    const before = kms.control.unwraps;
    for (let use = 0; use < 6; use += 1) await short.kek(kekId); // the first unwraps, the fifth after it renews
    await eventually(() => expect(kms.control.unwraps).toBe(before + 2));
    kms.control.away = true;
    for (let use = 0; use < 10; use += 1) expect((await short.kek(kekId)).kekId).toBe(kekId);
    await expectCode(short.kek(kekId), 'KMS_UNAVAILABLE');
    kms.control.away = false;
    await short.kek(kekId);
    kms.control.away = true;
    clock.advance(9_999);
    expect((await short.kek(kekId)).kekId).toBe(kekId);
    clock.advance(1);
    await expectCode(short.kek(kekId), 'KMS_UNAVAILABLE');
  });

  it('keeps nothing of a KMS that gives a wrong key: the next answer counts again', async () => {
    const { kekId, key } = await keyring.activeKek('a');
    const member = makeMemberKms('kms-a');
    const root = makeRootKms({ mode: 'any-of', members: [member.kms] });
    const wrapped = await wrapNewKek(root, { namespaceId: 'n1', version: 1 });
    const poisonable = makeKeyring({
      kms: root,
      store: { ...store, find: (id) => (id === wrapped.kekId ? Promise.resolve(wrapped) : store.find(id)) },
      clock,
    });
    member.control.alter = true;
    await expectCode(poisonable.kek(wrapped.kekId), 'CREDENTIAL_DAMAGED');
    member.control.alter = false;
    expect((await poisonable.kek(wrapped.kekId)).kekId).toBe(wrapped.kekId);
    const short = { ...kms.kms, unwrapKey: () => Promise.resolve(new Secret(new Uint8Array(16), 'short')) };
    await expectCode(makeKeyring({ kms: short, store, clock }).kek(kekId), 'CREDENTIAL_DAMAGED');
    expect((await keyring.kek(kekId)).key.equals(key)).toBe(true);
  });
});
