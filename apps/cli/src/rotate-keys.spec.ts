import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Profile } from '@keymesh/client';
import { makeSigningKey } from '@keymesh/kernel';
import { foldStatements, signStatement, type Directory } from '@keymesh/policy-engine';
import { makePendingKeys, type PendingKeys } from './pending-keys.js';
import { publicKeysOf, rotateKeys, type RotationFiles, type RotationMesh } from './rotate-keys.js';

const operator = makeSigningKey().key;
const trustRoot = {
  v: 1 as const,
  meshId: 'rotation',
  meshPublicKey: makeSigningKey().key.publicKeyText,
  bundlePublicKey: makeSigningKey().key.publicKeyText,
  operators: [{ name: 'operator', channelKey: operator.publicKeyText }],
};

/** A mesh that folds what it is sent, a disk, and a process that dies at step `killAt` (half of them before, half after it). */
function makeRig(killAt = Infinity) {
  const first = makePendingKeys(null);
  let profile: Profile = {
    v: 1,
    name: 'billing',
    meshId: trustRoot.meshId,
    meshPublicKey: trustRoot.meshPublicKey,
    principal: 'billing',
    natsUrl: 'nats://127.0.0.1:4222',
    nkeySeed: first.nkeySeed,
    channelSeed: first.channelSeed,
  };
  const granted = signStatement(
    {
      v: 1,
      meshId: trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: 'operator',
      type: 'principal.granted',
      principal: 'billing',
      kind: 'service',
      roles: ['reader'],
      nkey: first.nkey,
      channelKey: first.channelKey,
    },
    operator,
  );
  let directory: Directory = foldStatements(trustRoot, [granted]);
  let pending: PendingKeys | undefined;
  let steps = 0;
  const made: string[] = [];
  const entry = () => directory.find('billing')!;
  const isTaken = (of: Profile): boolean => {
    const { nkey, channelKey } = publicKeysOf(of);
    return entry().nkeys.includes(nkey) && entry().channelKeys.includes(channelKey);
  };
  const step = <Result>(work: () => Result): Promise<Result> => {
    if (steps++ === killAt) return Promise.reject(new Error('killed before'));
    const result = work();
    // INVARIANT under test: whenever the process dies, what is on the disk is good for the mesh.
    expect(isTaken(profile)).toBe(true);
    if (steps++ === killAt) return Promise.reject(new Error('killed after'));
    return Promise.resolve(result);
  };
  const say = (asker: Profile, statement: string): void => {
    if (!isTaken(asker)) throw new Error('not taken');
    directory = directory.extend([statement]);
  };
  const mesh: RotationMesh = {
    ownKeys: (asker) => step(() => (isTaken(asker) ? entry() : undefined)),
    addKeys: (asker, statement) => step(() => say(asker, statement)),
    removeKeys: (asker, statement) => step(() => say(asker, statement)),
  };
  const files: RotationFiles = {
    readPending: () => step(() => pending),
    writePending: (keys) => step(() => void (pending = keys)),
    dropPending: () => step(() => void (pending = undefined)),
    writeProfile: (next) => step(() => void (profile = next)),
  };
  const makeKeys = (replaces: NonNullable<PendingKeys['replaces']>) => {
    const keys = makePendingKeys(replaces);
    made.push(keys.nkey);
    return keys;
  };
  return {
    first,
    made,
    rotate: () => rotateKeys(profile, { mesh, files, makeKeys, now: Date.now }),
    survive: () => (killAt = Infinity),
    steps: () => steps,
    profile: () => profile,
    pending: () => pending,
    entry,
  };
}

describe('rotateKeys', () => {
  it('leaves the profile and the mesh with the new keys alone', async () => {
    const rig = makeRig();
    const renewed = await rig.rotate();
    expect(publicKeysOf(rig.profile())).toEqual(renewed);
    expect(rig.entry()).toMatchObject({ nkeys: [renewed.nkey], channelKeys: [renewed.channelKey] });
    expect(renewed.nkey).not.toBe(rig.first.nkey);
    expect(rig.pending()).toBeUndefined();
  });

  const steps = 16;
  it('takes as many steps as are killed below', async () => {
    const rig = makeRig();
    await rig.rotate();
    expect(rig.steps()).toBe(steps);
  });

  it.each(Array.from({ length: steps }, (_, killAt) => killAt))(
    'killed at step %i goes on from there, with keys that always work',
    async (killAt) => {
      const rig = makeRig(killAt);
      await expect(rig.rotate()).rejects.toThrow('killed');
      rig.survive();
      const renewed = await rig.rotate();
      expect(publicKeysOf(rig.profile())).toEqual(renewed);
      expect(rig.entry()).toMatchObject({ nkeys: [renewed.nkey], channelKeys: [renewed.channelKey] });
      expect(rig.pending()).toBeUndefined();
    },
  );

  it('makes new keys where those that wait are another profile’s', async () => {
    const rig = makeRig(4); // keys wait, nothing else
    await expect(rig.rotate()).rejects.toThrow('killed');
    const other = makeRig();
    rig.survive();
    await rig.rotate();
    await other.rotate();
    expect(rig.made).toHaveLength(1);
    expect(other.made).toHaveLength(1);
  });
});
