import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  activateCredential,
  credentialHistory,
  deactivateCredential,
  deleteCredential,
  describeCredential,
  destroyVersion,
  restoreCredential,
  storeCredential,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import { text } from './fakes.js';
import { installBreakpoints, type Breakpoint, type Breakpoints } from './support/breakpoints.js';
import { fsckWorld } from './support/fsck-world.js';
import { endRecoveryWindow } from './support/recovery-window.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const WAIT = { timeoutMs: 60_000 };
/** What a client may be told when the vault dies under its request: it does not know whether it was done. */
const UNKNOWN_OUTCOME = [
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CHANNEL_EXPIRED',
  'CHANNEL_REQUIRED',
  'STORE_UNAVAILABLE',
];
const codeOf = (error: unknown): string => {
  if (!KeymeshError.is(error)) throw error;
  return error.code;
};

describe('kill -9 of the vault in the life of a credential', () => {
  let world: VaultWorld;
  let operator: Caller;
  let vault: ServiceProcess;
  let breakpoints: Breakpoints | undefined;
  // A busy machine may need a second try.
  const start = () => eventually(() => world.startVaultProcess(), { timeoutMs: 100_000 });
  const store = (name: string, value: string) =>
    operator.call(
      storeCredential,
      { name, type: 'generic', values: { value: text(value) }, expectedVersion: 'any' },
      { deadlineMs: 10_000 },
    );
  /** `kind` of its last state: what describe and history tell of it by its id. */
  const stateOf = (credentialId: string) =>
    eventually(async () => {
      const { status, recoverableUntil } = await operator.call(describeCredential, { credentialId });
      const { versions } = await operator.call(credentialHistory, { credentialId });
      return {
        status,
        canReturn: recoverableUntil !== null,
        versions: versions.map(({ stage, destroyedAt }) =>
          destroyedAt === null ? stage : `${stage} destroyed`,
        ),
      };
    }, WAIT);
  /** Records of success of this type and credential, sent or not. */
  const recordsOf = async (type: string, credentialId: string): Promise<number> => {
    const [row] = await world.rows.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM outbox, LATERAL (SELECT convert_from(payload, 'utf8')::jsonb AS record) AS r
       WHERE kind = 'journal' AND record->>'type' = $1 AND record->'resource'->>'id' = $2`,
      [type, credentialId],
    );
    return row?.count ?? 0;
  };

  beforeAll(async () => {
    world = await startVaultWorld();
    operator = await world.addClient('keeper', ['operator']);
    breakpoints = await installBreakpoints(world.postgres);
    vault = await start();
  }, 240_000);
  afterAll(async () => {
    await breakpoints?.stop();
    await world.stop();
  }, 60_000);

  interface Change {
    readonly prepare?: (name: string, credentialId: string) => Promise<unknown>;
    readonly ask: (name: string) => Promise<unknown>;
    /** What a repetition says when the first one has come through after all. */
    readonly done: readonly string[];
    readonly record: string;
    readonly left: { readonly status: string; readonly canReturn: boolean; readonly versions: string[] };
  }
  const deadlineMs = 3_000;
  const CHANGES: Readonly<Record<string, Change>> = {
    delete: {
      ask: (name) => operator.call(deleteCredential, { name }, { deadlineMs }),
      done: ['CREDENTIAL_NOT_FOUND'],
      record: 'credential.deleted',
      left: { status: 'deleted', canReturn: true, versions: ['previous', 'current'] },
    },
    'delete for good': {
      ask: (name) => operator.call(deleteCredential, { name, recoveryDays: 0 }, { deadlineMs }),
      done: ['CREDENTIAL_NOT_FOUND'],
      record: 'credential.deleted',
      left: { status: 'deleted', canReturn: false, versions: ['previous destroyed', 'current destroyed'] },
    },
    restore: {
      prepare: (name) => operator.call(deleteCredential, { name }),
      ask: (name) => operator.call(restoreCredential, { name }, { deadlineMs }),
      done: ['CREDENTIAL_NOT_DELETED'],
      record: 'credential.restored',
      left: { status: 'active', canReturn: false, versions: ['previous', 'current'] },
    },
    destroy: {
      ask: (name) => operator.call(destroyVersion, { name, version: 1 }, { deadlineMs }),
      done: ['VERSION_DESTROYED'],
      record: 'version.destroyed',
      left: { status: 'active', canReturn: false, versions: ['revoked destroyed', 'current'] },
    },
    deactivate: {
      ask: (name) => operator.call(deactivateCredential, { name }, { deadlineMs }),
      done: [],
      record: 'credential.deactivated',
      left: { status: 'inactive', canReturn: false, versions: ['previous', 'current'] },
    },
  };

  let cases = 0;
  const make = async () => {
    const name = `crash/c${String((cases += 1))}`;
    const { credentialId } = await eventually(() => store(name, 'first value'), WAIT);
    await store(name, 'second value');
    return { name, credentialId };
  };

  it.each<[string, Breakpoint]>([
    ['delete', 'credential UPDATE'],
    ['delete', 'record credential.deleted'],
    ['delete for good', 'credential_version UPDATE'],
    ['delete for good', 'record credential.deleted'],
    ['restore', 'credential UPDATE'],
    ['restore', 'record credential.restored'],
    ['destroy', 'credential UPDATE'],
    ['destroy', 'credential_version UPDATE'],
    ['destroy', 'record version.destroyed'],
    ['deactivate', 'record credential.deactivated'],
  ])(
    'during a %s, before %s: nothing has happened, and asked again all of it',
    async (kind, at) => {
      const { prepare, ask, done, record, left } = CHANGES[kind]!;
      const { name, credentialId } = await make();
      await prepare?.(name, credentialId);
      const before = await stateOf(credentialId);
      const { reached, release } = await breakpoints!.arm(at);
      const asked = ask(name).then(() => 'answered', codeOf);
      await reached();
      await vault.kill('SIGKILL');
      expect(await fsckWorld(world)).toEqual([]);
      expect(await recordsOf(record, credentialId)).toBe(0);
      await release();
      vault = await start();
      expect([...UNKNOWN_OUTCOME, 'answered']).toContain(await asked);
      if ((await asked) !== 'answered' && (await recordsOf(record, credentialId)) === 0)
        expect(await stateOf(credentialId)).toEqual(before);
      await eventually(async () => {
        const outcome = await ask(name).then(() => 'answered', codeOf);
        expect(['answered', ...done]).toContain(outcome);
      }, WAIT);
      expect(await stateOf(credentialId)).toEqual(left);
      expect(await recordsOf(record, credentialId)).toBeGreaterThanOrEqual(1);
      // Deactivating again is recorded again; the others can happen only once.
      if (kind !== 'deactivate') expect(await recordsOf(record, credentialId)).toBe(1);
      expect(await fsckWorld(world)).toEqual([]);
    },
    240_000,
  );

  it.each<[Breakpoint]>([['credential UPDATE'], ['credential_version UPDATE'], ['record credential.purged']])(
    'during a purge, before %s: nothing is destroyed, and the next start does it whole and once',
    async (at) => {
      const { name, credentialId } = await make();
      await operator.call(deleteCredential, { name });
      await vault.kill('SIGKILL');
      await endRecoveryWindow(world, credentialId);
      const { reached, release } = await breakpoints!.arm(at);
      vault = await start();
      await reached();
      await vault.kill('SIGKILL');
      expect(await fsckWorld(world)).toEqual([]);
      expect(await recordsOf('credential.purged', credentialId)).toBe(0);
      await release();
      vault = await start();
      await eventually(async () => expect(await recordsOf('credential.purged', credentialId)).toBe(1), WAIT);
      expect(await stateOf(credentialId)).toEqual({
        status: 'deleted',
        canReturn: false,
        versions: ['previous destroyed', 'current destroyed'],
      });
      expect(await fsckWorld(world)).toEqual([]);
    },
    240_000,
  );

  it('at any moment: what was acknowledged stays so, and what was not is there whole or not at all', async () => {
    const KILLS = process.env.SLOW === '1' ? 20 : 3;
    const ends = new AbortController();
    let answers = 0;
    /** Two states go round; an outcome that nobody knows is looked up before the next step. */
    const goRound = async (there: (name: string) => Promise<unknown>, back: typeof there, status: string) => {
      const { name, credentialId } = await make();
      let isThere = false;
      while (!ends.signal.aborted) {
        const outcome = await (isThere ? back : there)(name).then(() => 'answered', codeOf);
        if (outcome === 'answered') isThere = !isThere;
        else expect(UNKNOWN_OUTCOME).toContain(outcome);
        answers += outcome === 'answered' ? 1 : 0;
        const found = (await stateOf(credentialId)).status;
        expect(['active', status]).toContain(found);
        if (outcome === 'answered') expect(found).toBe(isThere ? status : 'active');
        isThere = found === status;
      }
    };
    const traffic = Promise.all([
      goRound(
        (name) => operator.call(deactivateCredential, { name }, { deadlineMs: 1_000 }),
        (name) => operator.call(activateCredential, { name }, { deadlineMs: 1_000 }),
        'inactive',
      ),
      goRound(
        (name) => operator.call(deleteCredential, { name }, { deadlineMs: 1_000 }),
        (name) => operator.call(restoreCredential, { name }, { deadlineMs: 1_000 }),
        'deleted',
      ),
    ]);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = answers;
      await eventually(() => expect(answers).toBeGreaterThan(before + 4), WAIT);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      await vault.kill('SIGKILL');
      vault = await start();
    }
    ends.abort();
    await traffic;
    expect(await fsckWorld(world)).toEqual([]);
  }, 400_000);
});
