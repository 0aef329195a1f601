import { beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeFakeKekStore, makeFakeKms } from '../../test/fakes.js';
import { KEK_TTL_MS, makeKeyring, type KekStore, type Keyring } from './keyring.js';

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
    await Promise.all(Array.from({ length: 50 }, () => keyring.kek(kekId)));
    expect(kms.control.unwraps).toBe(1);
    clock.advance(KEK_TTL_MS);
    await Promise.all([keyring.kek(kekId), keyring.kek(kekId)]);
    expect(kms.control.unwraps).toBe(2);
  });

  it('renews a key beside its use, so that an outage of the KMS finds a young one', async () => {
    const { kekId } = await keyring.activeKek('a');
    clock.advance(KEK_TTL_MS / 2);
    await keyring.kek(kekId);
    await eventually(() => expect(kms.control.unwraps).toBe(2));
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

  it('forgets unwrapped keys when told', async () => {
    const { kekId } = await keyring.activeKek('a');
    keyring.drop();
    kms.control.away = true;
    await expectCode(keyring.kek(kekId), 'KMS_UNAVAILABLE');
  });
});
