import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  addPrincipalKeys,
  describePrincipal,
  POLICY_SUBJECT,
  removePrincipalKeys,
  setPrincipalRoles,
  type Role,
  type RpcContract,
  type Statement,
} from '@keymesh/contracts';
import { KeymeshError, type SigningKey } from '@keymesh/kernel';
import { getPolicyBundle, type Caller, type MeshConnection } from '@keymesh/mesh';
import { openBundle, proveKey, signStatement } from '@keymesh/policy-engine';
import {
  eventually,
  installBreakpoints,
  makeTestPrincipal,
  type Breakpoint,
  type Breakpoints,
  type ServiceProcess,
} from '@keymesh/testing';
import { startPolicyMesh, type PolicyMesh } from './support/policy-mesh.js';

const TABLES = ['statement', 'bundle', 'idempotency'] as const;
type Table = (typeof TABLES)[number];
const WAIT = { timeoutMs: 40_000 };
/** What a caller may be told when the policy service dies under its request. */
const UNKNOWN_OUTCOME = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CHANNEL_EXPIRED', 'CHANNEL_REQUIRED'];

let on: PolicyMesh;
let service: ServiceProcess;
let vault: MeshConnection;
let breakpoints: Breakpoints<Table>;
let operator: Caller;
/** Connected since before all kills. */
let patient: Caller;

beforeAll(async () => {
  on = await startPolicyMesh();
  service = await on.start();
  vault = await on.mesh.connectAs('vault');
  breakpoints = await installBreakpoints(on.postgres, 'policy', TABLES);
  operator = (await on.callerOf(on.operator)).caller;
  patient = (await on.callerOf(await on.enrol('billing'))).caller;
}, 120_000);
afterAll(async () => {
  await breakpoints.stop();
  await service.kill();
  await on.stop();
}, 60_000);

const sign = (statement: object, by: SigningKey = on.operator.signingKey): string =>
  signStatement(
    {
      ...{ v: 1, meshId: on.mesh.trustRoot.meshId, statementId: randomUUID() },
      ...{ issuedAt: new Date().toISOString(), issuer: 'operator', principal: 'billing' },
      ...statement,
    } as Statement,
    by,
  );
const described = () => eventually(() => operator.call(describePrincipal, { principal: 'billing' }), WAIT);
const quietly = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) => {
    if (!KeymeshError.is(error) || !UNKNOWN_OUTCOME.includes(error.code)) throw error;
  });

/** A change, and who asks for it. */
interface Change {
  readonly type: Statement['type'];
  readonly statement: string;
  readonly ask: () => Promise<unknown>;
}
const ASK = {
  'principal.roles-set': setPrincipalRoles,
  'principal.keys-added': addPrincipalKeys,
  'principal.keys-removed': removePrincipalKeys,
} as const satisfies Partial<Record<Statement['type'], RpcContract>>;
const changeOf = (type: keyof typeof ASK, caller: Caller, said: object, by?: SigningKey): Change => {
  const statement = sign({ type, ...said }, by);
  return { type, statement, ask: () => caller.call(ASK[type], { statement }, { deadlineMs: 3_000 }) };
};

async function rolesChange(): Promise<Change> {
  const { roles: before } = await described();
  const roles: Role[] = before.includes('writer') ? ['reader'] : ['reader', 'writer'];
  return changeOf('principal.roles-set', operator, { before, roles });
}

/** The two steps of a key rotation, by the principal itself. One principal for each: they may do it so often in a day. */
let rotators = 0;
async function keyRotation(): Promise<{ readonly adding: Change; readonly removing: Change }> {
  const old = await on.enrol(`rotator-${(rotators += 1)}`);
  const { caller } = await on.callerOf(old);
  const own = makeTestPrincipal(old.name);
  const statementId = randomUUID();
  const about = { issuer: old.name, principal: old.name };
  const binding = { meshId: on.mesh.trustRoot.meshId, statementId, principal: old.name };
  const proven = { key: own.signingKey.publicKeyText, proof: proveKey(binding, own.signingKey) };
  const added = { ...about, statementId, nkeys: [own.publicNkey], channelKeys: [proven] };
  const removed = { ...about, nkeys: [own.publicNkey], channelKeys: [own.signingKey.publicKeyText] };
  return {
    adding: changeOf('principal.keys-added', caller, added, old.signingKey),
    removing: changeOf('principal.keys-removed', caller, removed, old.signingKey),
  };
}

/** INVARIANT checked after every kill: statements, bundles, the bucket and the record tell one story, and it has all of the change or nothing. */
async function expectWhole({ type, statement }: Change, known: boolean): Promise<void> {
  const rows = await on.sql<{ text: string }>('SELECT text FROM statement ORDER BY sequence');
  const inStore = rows.map(({ text }) => text);
  expect(inStore.includes(statement)).toBe(known);
  await eventually(async () => {
    const { bundle } = openBundle((await getPolicyBundle(vault))!.bytes, on.mesh.trustRoot);
    const [newest] = await on.sql<{ version: number }>('SELECT max(version) AS version FROM bundle');
    expect(bundle.version).toBe(newest?.version);
    expect(bundle.statements).toEqual(inStore);
  }, WAIT);
  const said = inStore.filter((text) => statementType(text) === type).length;
  await eventually(() => {
    const records = on.records(type).filter(({ outcome }) => outcome === 'success');
    expect(new Set(records.map(({ id }) => id)).size).toBe(said);
  }, WAIT);
}
const statementType = (text: string): string =>
  (JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as { type: string }).type;

/** Asks again until it is answered, as a person would: the same statement is the same change. */
const insist = (change: Change): Promise<unknown> => eventually(() => change.ask(), WAIT);
const restart = async (): Promise<void> => void (service = await on.start());

const makeChange = {
  'set-roles': () => rolesChange(),
  'rotate-key: new keys': async () => (await keyRotation()).adding,
  'rotate-key: keys removed': async () => {
    const { adding, removing } = await keyRotation();
    await insist(adding);
    return removing;
  },
};
type Kind = keyof typeof makeChange;
const KINDS = Object.keys(makeChange) as Kind[];
const STEPS: readonly (readonly [Kind, Breakpoint<Table>])[] = [
  ['set-roles', 'statement INSERT'],
  ['set-roles', 'bundle INSERT'],
  ['set-roles', 'record principal.roles-set'],
  ['set-roles', 'idempotency UPDATE'],
  ['rotate-key: new keys', 'statement INSERT'],
  ['rotate-key: new keys', 'record principal.keys-added'],
  ['rotate-key: keys removed', 'bundle INSERT'],
  ['rotate-key: keys removed', 'idempotency UPDATE'],
];

describe('kill -9 of the policy service', () => {
  it.each(STEPS)(
    'during %s, before %s: nothing of it happened, and it can be asked for again',
    async (kind, at) => {
      const change = await makeChange[kind]();
      const { reached, release } = await breakpoints.arm(at);
      const asked = quietly(change.ask());
      await reached();
      await service.kill();
      await release();
      await asked;
      await restart();
      await expectWhole(change, false);
      await insist(change);
      await expectWhole(change, true);
    },
    120_000,
  );

  it.each(KINDS)(
    'during %s, when it is committed and the broker is gone: it is published after the restart, once',
    async (kind) => {
      const change = await makeChange[kind]();
      const { reached, release } = await breakpoints.arm('idempotency UPDATE');
      const asked = quietly(change.ask());
      await reached();
      await on.mesh.server.kill();
      await release();
      await eventually(async () => {
        const rows = await on.sql('SELECT 1 FROM statement WHERE text = $1', [change.statement]);
        expect(rows).toHaveLength(1);
      }, WAIT);
      await service.kill();
      await on.mesh.server.restart();
      await asked;
      await restart();
      await expectWhole(change, true);
      await insist(change);
      await expectWhole(change, true);
    },
    120_000,
  );

  it.each(KINDS)(
    'during %s, when its bundle is published: it is in force',
    async (kind) => {
      const change = await makeChange[kind]();
      const killed = new Promise<void>((resolve, reject) => {
        const subscription = vault.nats.subscribe(POLICY_SUBJECT, {
          max: 1,
          callback: () => void service.kill().then(resolve, reject),
        });
        expect(subscription.isClosed()).toBe(false);
      });
      await vault.nats.flush();
      const asked = quietly(change.ask());
      await killed;
      await asked;
      await restart();
      await expectWhole(change, true);
      await insist(change);
      await expectWhole(change, true);
    },
    120_000,
  );

  it('after all of that who was connected before is connected still, or again by itself', async () => {
    await eventually(() => patient.call(describePrincipal, { principal: 'billing' }), WAIT);
  });
});
