import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CONSUMERS,
  retrieveCredential,
  storeCredential,
  type AuditRecord,
  type PolicyBundle,
  type Role,
  type Statement,
} from '@keymesh/contracts';
import { fromUtf8, type SigningKey } from '@keymesh/kernel';
import {
  consume,
  decodePack,
  getPolicyBundle,
  putPolicyBundle,
  type Caller,
  type MeshConnection,
} from '@keymesh/mesh';
import type { RunningService } from '@keymesh/service-kit';
import { openBundle, proveKey, signBundle, signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode, makeTestPrincipal, type TestPrincipal } from '@keymesh/testing';
import type { VaultConfig } from '../src/config.js';
import { API_KEY, text } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

// The attacker has all that the policy service has: bundle key, callout issuer, its database (every statement), and the place on the bus
// where bundles come from. The vault is the real one.
let world: VaultWorld;
let writer: Caller;
let reader: TestPrincipal;
let readerCaller: Caller;
let bus: MeshConnection;
let version = 100;
let vault: RunningService<VaultConfig>;
let following: { stop(): Promise<void> };
const recorded: AuditRecord[] = [];

beforeAll(async () => {
  world = await startVaultWorld();
  writer = await world.addClient('writer', ['writer']);
  reader = await world.addPrincipal('reader', ['reader']);
  readerCaller = await world.callerOf(reader);
  await world.addClient('revoked', ['reader']);
  bus = await world.mesh.connectAs('policy');
  vault = await world.startVault();
  const audit = await world.mesh.connectAs('audit');
  following = consume(audit, CONSUMERS.ledger, (delivery) => {
    for (const { leaf } of decodePack(delivery.data).records) {
      const record = JSON.parse(fromUtf8(leaf)) as AuditRecord;
      if (record.type === 'policy-bundle.refused') recorded.push(record);
    }
    return Promise.resolve();
  });
  await writer.call(storeCredential, { name: 'key', type: 'api_key', values: { value: text(API_KEY) } });
}, 120_000);
afterAll(async () => {
  await following.stop();
  await world.stop();
}, 30_000);

const honest = async (): Promise<string[]> => {
  const stored = await getPolicyBundle(bus);
  return openBundle(stored!.bytes, world.mesh.trustRoot).bundle.statements;
};
const sign = (statement: object, by: SigningKey, issuer = 'operator'): string =>
  signStatement(
    {
      v: 1,
      meshId: world.mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer,
      ...statement,
    } as Statement,
    by,
  );

let statements: string[];
beforeEach(async () => {
  statements = await floorStatements();
});
/** What the vault accepted last, as the attacker's database has it. */
let known: string[] | undefined;
const floorStatements = async (): Promise<string[]> => (known ??= await honest());

/** Puts a bundle in force that the attacker signed with the bundle key, with a version above all. */
async function publish(change: Partial<PolicyBundle>): Promise<number> {
  version += 1;
  const bundle: PolicyBundle = {
    v: 1,
    meshId: world.mesh.trustRoot.meshId,
    version,
    issuedAt: new Date().toISOString(),
    statements,
    policies: [],
    taken: [],
    ...change,
  };
  await putPolicyBundle(bus, signBundle(bundle, world.mesh.bundleKey));
  return version;
}
/** How many bundles the vault has refused. */
const refusals = async (): Promise<number> =>
  (await vault.kit.metrics.policyBundles.get()).values.find(({ labels }) => labels.result === 'refused')
    ?.value ?? 0;
const floorVersion = async (): Promise<number> =>
  (await world.rows.query<{ version: number }[]>('SELECT version FROM bundle_floor'))[0]?.version ?? 0;
const retrieve = (caller: Caller) => caller.call(retrieveCredential, { name: 'key' });
const store = (caller: Caller) =>
  caller.call(storeCredential, {
    name: 'key',
    type: 'api_key',
    values: { value: text(API_KEY) },
    expectedVersion: 'any',
  });

const at = new Date().toISOString();
const thief = makeTestPrincipal('thief');
const granted = (name: string, roles: Role[], own: TestPrincipal, by: SigningKey) =>
  sign(
    {
      type: 'principal.granted',
      principal: name,
      kind: 'service',
      roles,
      nkey: own.publicNkey,
      channelKey: own.signingKey.publicKeyText,
    },
    by,
  );
const keysAdded = (by: SigningKey, issuer: string): string => {
  const statementId = randomUUID();
  const binding = { meshId: world.mesh.trustRoot.meshId, statementId, principal: 'reader' };
  const proof = proveKey(binding, thief.signingKey);
  const channelKeys = [{ key: thief.signingKey.publicKeyText, proof }];
  const said = { type: 'principal.keys-added', statementId, principal: 'reader', nkeys: [], channelKeys };
  return sign(said, by, issuer);
};

const policySet = (said: object, by: SigningKey, issuer = 'operator'): string =>
  sign(
    {
      ...{ type: 'policy.set', policyId: 'mine', cedar: 'permit(principal, action, resource);' },
      ...{ twoPerson: false, basedOn: null, ...said },
    },
    by,
    issuer,
  );

type Attempt = readonly [what: string, change: () => Partial<PolicyBundle>];
const attempts: readonly Attempt[] = [
  [
    'grants a principal of its own, signed with its own key',
    () => ({ statements: [...statements, granted('thief', ['operator'], thief, thief.signingKey)] }),
  ],
  [
    'grants one signed with the bundle key',
    () => ({ statements: [...statements, granted('thief', ['operator'], thief, world.mesh.bundleKey)] }),
  ],
  [
    'gives the reader a role in the operator’s name',
    () => ({
      statements: [
        ...statements,
        sign(
          { type: 'principal.roles-set', principal: 'reader', before: ['reader'], roles: ['writer'] },
          world.mesh.bundleKey,
        ),
      ],
    }),
  ],
  [
    'gives the reader a role by the reader’s own signature',
    () => ({
      statements: [
        ...statements,
        sign(
          { type: 'principal.roles-set', principal: 'reader', before: ['reader'], roles: ['writer'] },
          reader.signingKey,
          'reader',
        ),
      ],
    }),
  ],
  [
    'gives the reader a channel key of its own',
    () => ({ statements: [...statements, keysAdded(thief.signingKey, 'reader')] }),
  ],
  [
    'gives the reader a channel key of its own, in the operator’s name',
    () => ({ statements: [...statements, keysAdded(world.mesh.bundleKey, 'operator')] }),
  ],
  [
    'changes a statement of an operator',
    () => ({
      statements: statements.map((said) => {
        const [key = '', payload = '', signature = ''] = said.split('.');
        const changed = Buffer.from(payload, 'base64url').toString('utf8').replace('"reader"', '"writer"');
        return [key, Buffer.from(changed).toString('base64url'), signature].join('.');
      }),
    }),
  ],
  [
    'writes a policy in the operator’s name',
    () => ({ statements: [...statements, policySet({}, world.mesh.bundleKey)] }),
  ],
  [
    'writes a policy by the reader’s own signature',
    () => ({ statements: [...statements, policySet({}, reader.signingKey, 'reader')] }),
  ],
  [
    'confirms a policy that waits for a second person',
    () => {
      const change = randomUUID();
      const waiting = policySet({ statementId: change, twoPerson: true }, world.mesh.operator.signingKey);
      const confirmed = { type: 'policy.confirmed', policyId: 'mine', change };
      return { statements: [...statements, waiting, sign(confirmed, world.mesh.bundleKey)] };
    },
  ],
  [
    'weakens the credential policy in the operator’s name',
    () => ({
      statements: [
        ...statements,
        sign({ type: 'credential-policy.set', document: '{}', basedOn: null }, world.mesh.bundleKey),
      ],
    }),
  ],
  ['leaves out the newest statements', () => ({ statements: statements.slice(0, -1) })],
  ['leaves out all statements', () => ({ statements: [] })],
  ['turns the order of statements', () => ({ statements: [...statements].reverse() })],
];

describe('a policy service that was taken over', () => {
  it.each(attempts)('%s: the vault refuses the bundle and decides by the last one', async (_what, change) => {
    const [floor, refused] = [await floorVersion(), await refusals()];
    await publish(change());
    await eventually(async () => expect(await refusals()).toBe(refused + 1));
    expect(await floorVersion()).toBe(floor);
    await expectCode(store(readerCaller), 'DENIED');
    await retrieve(readerCaller);
    // What only takes away is taken; the next refusal is news again.
    const next = await publish({});
    await eventually(async () => expect(await floorVersion()).toBe(next));
  });

  it('leaves a record of each refused bundle', async () => {
    await eventually(() => expect(recorded).toHaveLength(attempts.length));
    expect(recorded[0]).toMatchObject({
      service: 'vault',
      outcome: 'failure',
      facts: { because: 'does-not-hold' },
    });
  });

  it('shows an older bundle, of before the reader was disabled: it is not taken, and recorded', async () => {
    const older = await getPolicyBundle(bus);
    const disabled = await publish({
      taken: [{ principal: 'reader', status: 'disabled', until: null, reason: 'spec' }],
    });
    await eventually(async () => expect(await floorVersion()).toBe(disabled));
    await putPolicyBundle(bus, older!.bytes);
    await eventually(() =>
      expect(recorded.at(-1)?.facts).toEqual({ because: 'older', bundleVersion: disabled }),
    );
    await expectCode(retrieve(readerCaller), 'CHANNEL_REJECTED');
    const next = await publish({});
    await eventually(async () => expect(await floorVersion()).toBe(next));
    await retrieve(readerCaller);
  });

  it('permits by a policy of its own: it has no effect', async () => {
    const permits = await publish({
      policies: [{ id: 'mine', cedar: 'permit(principal, action, resource);' }],
    });
    await eventually(async () => expect(await floorVersion()).toBe(permits));
    await expectCode(store(readerCaller), 'DENIED');
  });

  it('can take away: disable and lock', async () => {
    await publish({ taken: [{ principal: 'reader', status: 'disabled', until: null, reason: 'spec' }] });
    await eventually(() => expectCode(retrieve(readerCaller), 'CHANNEL_REJECTED'));
    const until = new Date(Date.now() + 60_000).toISOString();
    await publish({ taken: [{ principal: 'reader', status: 'locked', until, reason: 'spec' }] });
    await eventually(() => expectCode(retrieve(readerCaller), 'PRINCIPAL_LOCKED'));
    await publish({});
    await eventually(() => retrieve(readerCaller));
  });

  it('sets a kill switch, and cannot give back what it took: neither by leaving it out, nor by lifting it itself', async () => {
    const killId = randomUUID();
    const kill = {
      killId,
      scope: 'namespace',
      name: 'default',
      reason: 'spec',
      since: at,
      by: '_policy',
    } as const;
    const set = await publish({ kills: [kill] });
    await eventually(async () => expect(await floorVersion()).toBe(set));
    await expectCode(retrieve(readerCaller), 'CREDENTIAL_NOT_FOUND');
    await expectCode(retrieve(writer), 'CREDENTIAL_NOT_FOUND');
    const lifted = (by: SigningKey) => sign({ type: 'kill-switch.lifted', killId }, by);
    for (const change of [
      {},
      { kills: [{ ...kill, name: 'nowhere' }] },
      { kills: [{ ...kill, killId: randomUUID() }] },
      { statements: [...statements, lifted(world.mesh.bundleKey)] },
      { statements: [...statements, lifted(reader.signingKey)], kills: [kill] },
    ]) {
      const refused = await refusals();
      await publish(change);
      await eventually(async () => expect(await refusals()).toBe(refused + 1));
      await expectCode(retrieve(readerCaller), 'CREDENTIAL_NOT_FOUND');
    }
    known = [...statements, lifted(world.mesh.operator.signingKey)];
    const back = await publish({ statements: known });
    await eventually(async () => expect(await floorVersion()).toBe(back));
    await retrieve(readerCaller);
  }, 60_000);

  it('leaves out nothing towards a vault that was restarted either: the floor is in Postgres', async () => {
    await world.stopVaults();
    await publish({ statements: statements.slice(0, -1) });
    await world.startVault();
    await retrieve(readerCaller);
    const floor = await floorVersion();
    expect(floor).toBeLessThan(version);
    const next = await publish({});
    await eventually(async () => expect(await floorVersion()).toBe(next));
  }, 60_000);
});
