import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  keyStatus,
  listKeyJobs,
  lockVault,
  reencryptNamespace,
  retrieveCredential,
  rewrapKeys,
  rotateKey,
  storeCredential,
  unlockVault,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode, type ServiceProcess } from '@keymesh/testing';
import { text, textOf } from './fakes.js';
import { installBreakpoints, type Breakpoint, type Breakpoints } from './support/breakpoints.js';
import { fsckWorld } from './support/fsck-world.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const CREDENTIALS = 90; // more than one batch of a job
const WAIT = { timeoutMs: 60_000 };
const valueOf = (at: number): string => `value-${String(at)}`;
const nameOf = (at: number): string => `pay/c${String(at)}`;

/** What a client may be told when the vault dies under its request. */
const UNKNOWN_OUTCOME = [
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CHANNEL_EXPIRED',
  'CHANNEL_REQUIRED',
  'STORE_UNAVAILABLE',
];

describe('kill -9 of the vault while it works on keys', () => {
  let world: VaultWorld;
  let operator: Caller;
  let vault: ServiceProcess;
  let breakpoints: Breakpoints | undefined;
  beforeAll(async () => {
    world = await startVaultWorld();
    operator = await world.addClient('keeper', ['operator']);
    breakpoints = await installBreakpoints(world.postgres);
    vault = await world.startVaultProcess();
    await Promise.all(
      Array.from({ length: CREDENTIALS }, (_, at) =>
        operator.call(
          storeCredential,
          { name: nameOf(at), type: 'generic', values: { value: text(valueOf(at)) } },
          { deadlineMs: 30_000 },
        ),
      ),
    );
  }, 120_000);
  afterAll(async () => {
    await breakpoints?.stop();
    await world.stop();
  }, 60_000);

  const START = {
    rotate: () => operator.call(rotateKey, { namespace: 'pay' }, { deadlineMs: 3_000 }),
    rewrap: () => operator.call(rewrapKeys, { namespace: 'pay' }, { deadlineMs: 3_000 }),
    reencrypt: () => operator.call(reencryptNamespace, { namespace: 'pay' }, { deadlineMs: 3_000 }),
    'rewrap-root': () => operator.call(rewrapKeys, { root: true }, { deadlineMs: 3_000 }),
  };
  const quietly = (work: Promise<unknown>): Promise<unknown> =>
    work.catch((error: unknown) => {
      if (!KeymeshError.is(error) || !UNKNOWN_OUTCOME.includes(error.code)) throw error;
    });
  /** Again until a vault that runs has answered. */
  const insist = (work: () => Promise<unknown>): Promise<unknown> => eventually(() => work(), WAIT);

  const expectAllOpen = async (): Promise<void> => {
    expect(await fsckWorld(world)).toEqual([]);
    for (let at = 0; at < CREDENTIALS; at += 7) {
      const reply = await eventually(() => operator.call(retrieveCredential, { name: nameOf(at) }), WAIT);
      expect(textOf(reply.values.value)).toBe(valueOf(at));
    }
  };
  const expectJobsEnded = () =>
    eventually(async () => {
      const { jobs } = await operator.call(listKeyJobs, {});
      expect(jobs.filter(({ state }) => state === 'running')).toEqual([]);
      expect(jobs.filter(({ state, damaged }) => state !== 'completed' || damaged > 0)).toEqual([]);
      expect(jobs.filter(({ done, total }) => done !== total)).toEqual([]);
    }, WAIT);

  const CASES: readonly (readonly [keyof typeof START, Breakpoint])[] = [
    ['rotate', 'namespace_kek UPDATE'],
    ['rotate', 'namespace_kek INSERT'],
    ['rotate', 'record namespace-key.rotated'],
    ['rewrap', 'key_job INSERT'],
    ['rewrap', 'record key-job.started'],
    ['rewrap', 'credential_version UPDATE'],
    ['rewrap', 'credential UPDATE'],
    ['rewrap', 'key_job UPDATE'],
    ['rewrap', 'record namespace-key.rewrapped'],
    ['reencrypt', 'credential_version UPDATE'],
    ['reencrypt', 'key_job UPDATE'],
    ['reencrypt', 'record namespace-key.reencrypted'],
    ['rewrap-root', 'namespace_kek UPDATE'],
    ['rewrap-root', 'record root-key.rewrapped'],
  ];
  it.each(CASES)(
    'during a %s, before %s: every row opens, nothing is half there, and it is done in the end',
    async (operation, at) => {
      if (operation === 'rewrap') await insist(START.rotate);
      const { reached, release } = await breakpoints!.arm(at);
      const asked = quietly(START[operation]());
      await reached();
      await vault.kill('SIGKILL');
      expect(await fsckWorld(world)).toEqual([]);
      await release();
      await asked;
      vault = await world.startVaultProcess();
      const { jobs } = (await eventually(() => operator.call(listKeyJobs, {}), WAIT)) as {
        jobs: { state: string; kind: string }[];
      };
      // It had begun, then it goes on by itself; or it had not, then it can be asked for again.
      if (!jobs.some(({ kind, state }) => kind === operation && state === 'running'))
        await insist(START[operation]);
      await expectJobsEnded();
      await expectAllOpen();
      if (operation !== 'rewrap') return;
      const { keks } = await operator.call(keyStatus, { namespace: 'pay' });
      expect(keks.filter(({ rows }) => rows > 0)).toMatchObject([{ state: 'active', rows: CREDENTIALS }]);
    },
    120_000,
  );

  it('a lock: before its commit nothing is locked, and once it is answered it stays', async () => {
    const retrieve = () => operator.call(retrieveCredential, { name: nameOf(0) });
    const { reached, release } = await breakpoints!.arm('record vault.locked');
    const asked = quietly(operator.call(lockVault, {}, { deadlineMs: 3_000 }));
    await reached();
    await vault.kill('SIGKILL');
    await release();
    await asked;
    vault = await world.startVaultProcess();
    expect(textOf((await eventually(retrieve, WAIT)).values.value)).toBe(valueOf(0));

    await insist(() => operator.call(lockVault, {}));
    await vault.kill('SIGKILL');
    vault = await world.startVaultProcess();
    await eventually(() => expectCode(retrieve(), 'VAULT_LOCKED'), WAIT);
    await insist(() => operator.call(unlockVault, {}));
    await expectAllOpen();
  }, 120_000);

  it('at any moment of a job: it is taken up where it was, and every row opens', async () => {
    for (const kind of ['reencrypt', 'rewrap'] as const) {
      if (kind === 'rewrap') await insist(START.rotate);
      await insist(START[kind]);
      for (let kill = 0; kill < (process.env.SLOW === '1' ? 10 : 2); kill += 1) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
        await vault.kill('SIGKILL');
        vault = await world.startVaultProcess();
      }
      await expectJobsEnded();
      await expectAllOpen();
    }
  }, 180_000);
});
