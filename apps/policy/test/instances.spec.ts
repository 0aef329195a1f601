import { randomInt, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { makeSessionKeys, openIdentitySession, type SessionKeyPair } from '@keymesh/client';
import {
  approveRequest,
  attestBundle,
  closeSession,
  createPrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  listApprovals,
  listPrincipals,
  lockPrincipal,
  requestApproval,
  setIdentityRule,
  setPrincipalRoles,
  unlockPrincipal,
  type Role,
  type Statement,
} from '@keymesh/contracts';
import { KeymeshError, systemClock, toBase64Url } from '@keymesh/kernel';
import {
  callPlain,
  getPolicyBundle,
  putPolicyBundle,
  watchPolicyBundle,
  type Caller,
  type MeshConnection,
} from '@keymesh/mesh';
import {
  bundleDigestOf,
  openBundle,
  readAttestation,
  signApproval,
  signStatement,
} from '@keymesh/policy-engine';
import { makePolicyHolder, openPolicy, type PolicyHolder } from '@keymesh/service-kit';
import {
  eventually,
  expectCode,
  installBreakpoints,
  makeTestPrincipal,
  type ServiceProcess,
  type TestPrincipal,
} from '@keymesh/testing';
import fc from 'fast-check';
import { makeInvitation, statusStatement } from './support/invitations.js';
import { signToken, startLocalIssuer, type LocalIssuer } from './support/local-issuer.js';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

// Two instances of the policy service as on two machines: one database and one bus, and a folder of channel keys each. The bus gives each
// request and each question of the NATS server to whichever it likes.
const NAMES = ['one', 'two'] as const;
type Name = (typeof NAMES)[number];
const WAIT = { timeoutMs: 90_000 };
const SEED = Number(process.env.KEYMESH_SEED ?? randomInt(2 ** 31));

let on: PolicyMesh;
let issuer: LocalIssuer;
let folder: string;
let operator: Caller;
let vault: MeshConnection;
const running = new Map<Name, ServiceProcess>();

const start = async (name: Name): Promise<void> => {
  const own = { KEYMESH_INSTANCE: name, KEYMESH_CHANNEL_KEY_FOLDER: join(folder, name) };
  running.set(name, await on.start(own));
};
const kill = async (name: Name): Promise<void> => {
  await running.get(name)?.kill('SIGKILL');
  running.delete(name);
};
const otherOf = (name: Name): Name => (name === 'one' ? 'two' : 'one');
/** Both run, and the operator is answered. */
const bothRun = async (): Promise<void> => {
  for (const name of NAMES) if (!running.has(name)) await start(name);
  await eventually(() => operator.call(listPrincipals, {}), WAIT);
};

beforeAll(async () => {
  process.stderr.write(`instances.spec: KEYMESH_SEED=${String(SEED)}\n`);
  [on, issuer, folder] = await Promise.all([
    startPolicyMesh(),
    startLocalIssuer(),
    mkdtemp(join(tmpdir(), 'keymesh-instances-')),
  ]);
  await start('one');
  await start('two');
  operator = (await on.callerOf(on.operator)).caller;
  vault = await on.mesh.connectAs('vault');
}, 240_000);
afterAll(async () => {
  for (const name of NAMES) await kill(name);
  await issuer.stop();
  await on.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const sign = (said: object, by: TestPrincipal = on.operator): string =>
  signStatement(
    {
      ...{ v: 1, meshId: on.mesh.trustRoot.meshId, statementId: randomUUID() },
      ...{ issuedAt: new Date().toISOString(), issuer: by.name },
      ...said,
    } as Statement,
    by.signingKey,
  );
const published = async () => {
  const { bytes } = (await getPolicyBundle(vault))!;
  return { bytes, ...openBundle(bytes, on.mesh.trustRoot) };
};
const newestVersion = async (): Promise<number> => {
  const [row] = await on.sql<{ version: number }>('SELECT max(version) AS version FROM bundle');
  return row?.version ?? 0;
};
/** What Postgres has as the newest is what every service gets. */
const expectPublished = (): Promise<void> =>
  eventually(async () => expect((await published()).bundle.version).toBe(await newestVersion()), WAIT);
/** Which instance did it. */
const didIt = (type: string, subject: string): Promise<Name> =>
  eventually(() => {
    const found = on
      .records(type)
      .findLast(({ resource, outcome }) => resource?.id === subject && outcome === 'success');
    const name = NAMES.find((one) => found?.instance.startsWith(`${one}-`));
    if (name === undefined) throw new Error(`nobody has recorded ${type} of ${subject}`);
    return name;
  }, WAIT);

const asPrincipal = (name: string, keys: SessionKeyPair): TestPrincipal => ({
  ...{ name, kind: 'service', roles: [] },
  ...{ nkeySeed: keys.nkeySeed, publicNkey: keys.nkey },
  ...{ signingKey: keys.signingKey, signingSeed: keys.channelSeed },
});
async function allowTokens(principal: string): Promise<void> {
  const claims = { sub: principal };
  const identity = {
    kind: 'token',
    issuer: issuer.url,
    audience: 'keymesh',
    claims,
    keys: { from: 'discovery' },
  };
  const rule = { principal, identity, maxSessionSeconds: 600, privileged: false };
  const statement = sign({ type: 'identity-rule.set', ruleId: principal, rule, basedOn: null });
  await operator.call(setIdentityRule, { statement });
}
async function openSessionOf(sub: string, keys = makeSessionKeys()): Promise<SessionKeyPair> {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: issuer.url, aud: 'keymesh', sub, iat: now, exp: now + 300 };
  const tokenFile = join(folder, randomUUID());
  await writeFile(tokenFile, await signToken(issuer.keys[0]!, claims));
  const { meshId, meshPublicKey } = on.mesh.trustRoot;
  await openIdentitySession({ natsUrl: on.mesh.url, meshId, meshPublicKey }, { tokenFile }, keys);
  return keys;
}

async function untilCut({ nats }: MeshConnection): Promise<void> {
  for await (const { type } of nats.status()) if (type === 'disconnect') return;
}

// However the one before ended.
beforeEach(bothRun, 240_000);

describe('two instances', () => {
  it('both work: each answers changes and questions of the NATS server', async () => {
    const seen = new Set<string>();
    await eventually(async () => {
      const name = `both-${randomUUID().slice(0, 8)}`;
      await operator.call(createPrincipal, {
        statement: makeInvitation(on.mesh, name, systemClock).statement,
      });
      seen.add(await didIt('principal.created', name));
      expect([...seen].sort()).toEqual(['one', 'two']);
    }, WAIT);
  }, 240_000);

  it('let a session in that the other one opened, at once, and end it for both', async () => {
    await on.enrol('deploy-bot', ['auditor']);
    await allowTokens('deploy-bot');
    for (let round = 0; round < 8; round += 1) {
      const keys = await openSessionOf('deploy-bot');
      // Once each, whichever instance is asked: no second try.
      const { caller, connection } = await on.callerOf(asPrincipal('deploy-bot', keys));
      await caller.call(listPrincipals, {});
      await operator.call(closeSession, { principal: 'deploy-bot', nkey: keys.nkey });
      await expectCode(on.connect('deploy-bot', keys.nkeySeed), 'DENIED');
      await connection.nats.close();
    }
  }, 240_000);

  it('keep a session when the one that opened it is killed', async () => {
    await on.enrol('survivor', ['auditor']);
    await allowTokens('survivor');
    const keys = await openSessionOf('survivor');
    const opener = await didIt('session.opened', 'survivor');
    await kill(opener);
    const { caller, connection } = await eventually(() => on.callerOf(asPrincipal('survivor', keys)), WAIT);
    await eventually(() => caller.call(listPrincipals, {}), WAIT);
    // The key that proofs are sealed to is another one now, or was handed over: a new session is opened without a retry of ours.
    await openSessionOf('survivor');
    await operator.call(closeSession, { principal: 'survivor', nkey: keys.nkey });
    await connection.nats.close();
    await start(opener);
    await kill(otherOf(opener));
    await eventually(() => operator.call(listPrincipals, {}), WAIT);
    await expectCode(on.connect('survivor', keys.nkeySeed), 'DENIED');
  }, 240_000);

  it('count one token’s failures together, also when one of them is gone', async () => {
    const [guest, elsewhere] = [await on.invite('clumsy'), await on.invite('elsewhere')];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const connection = await on.connectWithToken(guest);
      const said = { statement: elsewhere.complete() };
      const ended = untilCut(connection);
      await expectCode(callPlain(connection, 'clumsy', enrolPrincipal, said), 'ENROLMENT_REJECTED');
      // A refused guess ends all connections of its token, a moment later: the next one's too, if it were there already.
      await ended;
      await connection.nats.close();
    }
    await on.sql(`UPDATE failed_attempt SET locked_until = now() + interval '60 seconds'`);
    for (let attempt = 0; attempt < 6; attempt += 1)
      await expect(on.connectWithToken(guest)).rejects.toThrow();
    await kill('one');
    await expect(on.connectWithToken(guest)).rejects.toThrow();
    await on.sql(`UPDATE failed_attempt SET locked_until = now()`);
    const connection = await on.connectWithToken(guest);
    await callPlain(connection, 'clumsy', enrolPrincipal, { statement: guest.complete() });
  }, 240_000);

  it('carry a request for approval from one to the other, and count two approvals given at once at two places', async () => {
    const people = await Promise.all(
      (['asker', 'alice', 'bob'] as const).map((name) => on.enrol(name, ['security-admin'])),
    );
    const [asker, alice, bob] = await Promise.all(people.map(async (one) => (await on.callerOf(one)).caller));
    const resource = { kind: 'credential' as const, id: randomUUID() };
    const { approvalId, expiresAt } = await asker!.call(requestApproval, {
      ...{ action: 'retrieve', resource, version: 1 },
      ...{ attributes: { namespace: 'pay' }, reason: 'spec', lastsSeconds: 3_600 },
    });
    await kill('two');
    await start('two');
    const approvalBy = (by: TestPrincipal): string => {
      const request = { principal: 'asker', action: 'retrieve', resource, version: 1 } as const;
      const about = { v: 1, meshId: on.mesh.trustRoot.meshId, approvalId, approver: by.name } as const;
      return signApproval(
        { ...about, request, issuedAt: new Date().toISOString(), expiresAt },
        by.signingKey,
      );
    };
    const approve = (caller: Caller, by: TestPrincipal) =>
      eventually(() => caller.call(approveRequest, { approval: approvalBy(by) }), WAIT);
    const replies = await Promise.all([approve(alice!, people[1]!), approve(bob!, people[2]!)]);
    expect(replies.map(({ approvals }) => approvals).sort()).toEqual([1, 2]);
    for (let round = 0; round < 6; round += 1) {
      const { approvals } = await alice!.call(listApprovals, { approvalId });
      expect([...(approvals[0]?.approvers ?? [])].sort()).toEqual(['alice', 'bob']);
    }
    expect((await published()).directory.approvals).toHaveLength(2);
  }, 240_000);

  it('let in at once who was invited at the other one, also beside strangers who fail on and on', async () => {
    const stranger = makeTestPrincipal('nobody');
    for (let attempt = 0; attempt < 16; attempt += 1)
      await expect(on.connect('nobody', stranger.nkeySeed)).rejects.toThrow();
    for (let round = 0; round < 16; round += 1)
      await (await on.connectWithToken(await on.invite(`beside-${String(round)}`))).nats.close();
  }, 240_000);

  it('never vouch for what the other one has overtaken', async () => {
    const nonce = toBase64Url(new Uint8Array(32).fill(5));
    for (let round = 0; round < 10; round += 1) {
      const name = `overtaken-${String(round)}`;
      const { statement } = makeInvitation(on.mesh, name, systemClock);
      const { bundleVersion } = await operator.call(createPrincipal, { statement });
      for (let asked = 0; asked < 3; asked += 1) {
        const { attestation } = await callPlain(vault, vault.principal, attestBundle, { nonce });
        const said = readAttestation(attestation, on.mesh.trustRoot, nonce);
        expect(said.version).toBe(bundleVersion);
        const [row] = await on.sql<{ bytes: Buffer }>('SELECT bytes FROM bundle WHERE version = $1', [
          bundleVersion,
        ]);
        expect(said.bundleDigest).toBe(bundleDigestOf(new Uint8Array(row!.bytes)));
      }
    }
  }, 240_000);
});

describe('an instance that is killed', () => {
  it('after its change was committed and before it was published: the other one publishes it', async () => {
    const breakpoints = await installBreakpoints(on.postgres, 'policy', ['idempotency']);
    try {
      const before = await newestVersion();
      const { statement } = makeInvitation(on.mesh, 'unpublished', systemClock);
      const { reached, release } = await breakpoints.arm('idempotency UPDATE');
      const asked = operator.call(createPrincipal, { statement }).catch(() => undefined);
      await reached();
      await on.mesh.server.kill();
      await release();
      await eventually(async () => expect(await newestVersion()).toBe(before + 1), WAIT);
      // Its record is committed too, and nobody could carry it away: it says who did it.
      const [row] = await on.sql<{ instance: string }>(
        `SELECT convert_from(payload, 'utf8')::jsonb->>'instance' AS instance FROM outbox
         WHERE kind = 'journal' AND convert_from(payload, 'utf8')::jsonb->'resource'->>'id' = 'unpublished'`,
      );
      await kill(NAMES.find((name) => row?.instance.startsWith(`${name}-`)) ?? 'one');
      await on.mesh.server.restart();
      await asked;
      await expectPublished();
      await eventually(async () => {
        const { principals } = await operator.call(listPrincipals, {});
        expect(principals.map(({ name }) => name)).toContain('unpublished');
      }, WAIT);
    } finally {
      await breakpoints.stop();
    }
  }, 240_000);

  it('leaves a bucket that was emptied or put back to one that knows what was the newest, not its own newest', async () => {
    // The last change that the one that stays has made is older than what the bucket had.
    await eventually(async () => {
      const name = `emptied-${randomUUID().slice(0, 8)}`;
      await operator.call(createPrincipal, {
        statement: makeInvitation(on.mesh, name, systemClock).statement,
      });
      expect(await didIt('principal.created', name)).toBe('one');
    }, WAIT);
    const seen: number[] = [];
    const watch = watchPolicyBundle(vault, (bytes) => {
      seen.push(openBundle(bytes, on.mesh.trustRoot).bundle.version);
    });
    const newest = await newestVersion();
    await eventually(() => expect(seen).toEqual([newest]), WAIT);
    await kill('one');
    const policy = await on.mesh.connectAs('policy');
    await putPolicyBundle(policy, new Uint8Array([1, 2, 3]));
    await eventually(() => expect(seen.at(-1)).toBeGreaterThanOrEqual(newest), WAIT);
    await expectPublished();
    watch.stop();
    expect(Math.min(...seen)).toBe(newest);
  }, 240_000);
});

/** A change to one of a few principals, or a kill. Those of one principal follow on each other, those of several go on at once. */
type Step =
  | { readonly kind: 'lock' | 'unlock' | 'disable' | 'enable' | 'roles' | 'session'; readonly who: number }
  | { readonly kind: 'create' }
  | { readonly kind: 'kill'; readonly instance: Name };

const WHO = 4;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('lock', 'unlock', 'disable', 'enable', 'roles', 'session'),
      who: fc.nat(WHO - 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('create' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('kill' as const), instance: fc.constantFrom(...NAMES) }),
  },
);

/** What is known of a principal by what was answered. */
interface Known {
  readonly name: string;
  roles: Role[];
  disabled: boolean;
  locked: boolean;
  /** A change was asked for and not answered: it happened, or it did not. */
  unsure: boolean;
}
const UNKNOWN_OUTCOME = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CHANNEL_EXPIRED', 'CHANNEL_REQUIRED'];
/** Beside them, who comes anew meets the NATS server with nobody there to ask. */
const NOBODY_TO_ASK = [...UNKNOWN_OUTCOME, 'DENIED', 'MESH_NOT_RUNNING'];

/** Does it as the operator, and notes what is known then. */
async function change(known: Known, kind: Exclude<Step['kind'], 'create' | 'kill'>): Promise<void> {
  if (known.unsure) return;
  const { name: principal } = known;
  const deadline = { deadlineMs: 5_000 };
  try {
    if (kind === 'lock') {
      await operator.call(lockPrincipal, { principal, lockSeconds: 3_600, reason: 'spec' }, deadline);
      known.locked = true;
    } else if (kind === 'unlock' && known.locked) {
      await operator.call(unlockPrincipal, { principal }, deadline);
      known.locked = false;
    } else if (kind === 'disable' && !known.disabled) {
      await operator.call(disablePrincipal, { principal, reason: 'spec' }, deadline);
      known.disabled = true;
    } else if (kind === 'enable' && known.disabled) {
      const statement = statusStatement(on.mesh, principal, 'active', systemClock);
      await operator.call(enablePrincipal, { statement }, deadline);
      known.disabled = false;
    } else if (kind === 'roles') {
      const roles: Role[] = known.roles.includes('writer') ? ['reader'] : ['reader', 'writer'];
      const statement = sign({ type: 'principal.roles-set', principal, before: known.roles, roles });
      await operator.call(setPrincipalRoles, { statement }, deadline);
      known.roles = roles;
    } else if (kind === 'session' && !known.disabled && !known.locked) await openSessionOf(principal);
  } catch (error) {
    const codes = kind === 'session' ? NOBODY_TO_ASK : UNKNOWN_OUTCOME;
    if (!KeymeshError.is(error) || !codes.includes(error.code)) throw error;
    known.unsure = kind !== 'session';
  }
}

/** A service that decides by bundles, as all of them do; it remembers every bundle that it was given. */
function makeReader(connection: MeshConnection, given: Map<number, Set<string>>) {
  const holder = makePolicyHolder();
  const refused: unknown[] = [];
  const watch = watchPolicyBundle(connection, (bytes) => {
    try {
      const policy = openPolicy(bytes, on.mesh.trustRoot, { previous: holder.findPolicy() });
      given.set(policy.version, (given.get(policy.version) ?? new Set()).add(bundleDigestOf(bytes)));
      holder.accept(policy);
    } catch (error) {
      refused.push(error);
    }
  });
  return { holder: holder as PolicyHolder, refused, stop: () => watch.stop() };
}

describe('histories of changes over two instances that are killed in between', () => {
  it('end with every service at the same newest bundle, all that was answered in it, and no version twice', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
        run += 1;
        const given = new Map<number, Set<string>>();
        const connections = await Promise.all(
          (['vault', 'audit', 'rotation'] as const).map((service) => on.mesh.connectAs(service)),
        );
        const readers = connections.map((connection) => makeReader(connection, given));
        const people: Known[] = [];
        for (let who = 0; who < WHO; who += 1) {
          const name = `run-${String(run)}-${String(who)}-${randomUUID().slice(0, 4)}`;
          await on.enrol(name);
          await allowTokens(name);
          people.push({ name, roles: ['reader'], disabled: false, locked: false, unsure: false });
        }
        const created: string[] = [];
        const lanes = people.map(() => Promise.resolve());
        const others: Promise<unknown>[] = [];
        for (const one of steps) {
          if (one.kind === 'kill') {
            // Some are under way then.
            await new Promise((resolve) => setTimeout(resolve, 30));
            await kill(one.instance);
            await start(one.instance);
          } else if (one.kind === 'create') {
            const name = `made-${randomUUID().slice(0, 8)}`;
            const { statement } = makeInvitation(on.mesh, name, systemClock);
            const asked = operator.call(createPrincipal, { statement }, { deadlineMs: 5_000 });
            others.push(
              asked.then(
                () => created.push(name),
                () => undefined,
              ),
            );
          } else {
            const { who, kind } = one;
            lanes[who] = lanes[who]!.then(() => change(people[who]!, kind));
          }
        }
        await Promise.all([...lanes, ...others]);
        await bothRun();
        await expectPublished();
        const newest = await newestVersion();
        await eventually(() => {
          for (const { holder } of readers) expect(holder.currentPolicy().version).toBe(newest);
        }, WAIT);
        for (const reader of readers) {
          expect(reader.refused).toEqual([]);
          const { directory } = reader.holder.currentPolicy();
          for (const name of created) expect(directory.find(name)).toBeDefined();
          for (const { name, roles, disabled, locked, unsure } of people) {
            if (unsure) continue;
            const entry = directory.find(name);
            expect({ name, roles: entry?.roles, status: entry?.status }).toEqual({
              ...{ name, roles },
              status: disabled ? 'disabled' : locked ? 'locked' : 'active',
            });
          }
          reader.stop();
        }
        const kept = await on.sql<{ version: number; bytes: Buffer }>('SELECT version, bytes FROM bundle');
        const digests = new Map(
          kept.map(({ version, bytes }) => [version, bundleDigestOf(new Uint8Array(bytes))]),
        );
        for (const [version, seen] of given) {
          expect([version, seen.size]).toEqual([version, 1]);
          if (digests.has(version)) expect([...seen]).toEqual([digests.get(version)]);
        }
      }),
      { numRuns: 2, seed: SEED, endOnFailure: true },
    );
  }, 580_000);
});
