import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readProfile, type Keymesh, type Profile } from '@keymesh/client';
import * as contracts from '@keymesh/contracts';
import type { RpcContract, Statement } from '@keymesh/contracts';
import {
  fromBase64Url,
  KeymeshError,
  Secret,
  signingKeyOf,
  systemClock,
  type SigningKey,
} from '@keymesh/kernel';
import { connectMesh, makeCaller, type Caller, type MeshConnection } from '@keymesh/mesh';
import { enrolmentIdOf, proveKey, signApproval, signStatement } from '@keymesh/policy-engine';
import { eventually, makeTestPrincipal } from '@keymesh/testing';
import { readLog, type LoggedRecord } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';

// Every operation of every service is asked by somebody who may do nothing, and those that only read also by an operator: whatever was decided
// stands in the record of exactly that request, with the bundle and the policies that decided. A new operation fails here until it is in the table.
jest.setTimeout(180_000);
type Name = string;
const CONTRACTS: ReadonlyMap<Name, RpcContract> = new Map(
  (Object.values(contracts) as readonly unknown[])
    .filter(
      (value): value is RpcContract =>
        typeof value === 'object' &&
        value !== null &&
        'verb' in value &&
        'request' in value &&
        'service' in value,
    )
    .map((contract) => [contract.name, contract]),
);

/** Operations that no policy is asked about, and why. */
const UNDECIDED: Readonly<Record<Name, string>> = {
  attestBundle: 'for services of the mesh alone, by their kind; it shows what everybody has',
  describeTemplate: 'templates are the same for everybody',
  enrolPrincipal: 'the token is the right, and its bearer has no channel yet',
  listApprovals: 'everybody sees its own; what others ask is shown by the right to approve each',
  listBreakGlass: 'everybody sees its own',
  listTemplates: 'templates are the same for everybody',
  listTypes: 'types are the same for everybody',
  openBreakGlass: 'the role is what the statement needs',
  openSession: 'a proof of identity, before there is anybody to decide about',
  requestApproval: 'everybody may ask, and gets nothing by it',
};
/** Asked here about what there is not: nothing is there to decide about. */
const NOTHING_THERE: readonly Name[] = [
  'approveRequest',
  'cancelRequest',
  'rejectRequest',
  'renewLease',
  'revokeLease',
];

/** For services of the mesh: not even an operator may. */
const SERVICES_ONLY: readonly Name[] = ['revealVersion'];

let mesh: RunningMesh;
let operator: { readonly profile: Profile; readonly keymesh: Keymesh };
let nobody: Asker;
let somebody: Asker;

/** Asks, and knows by which request id. */
interface Asker {
  readonly caller: Caller;
  readonly profile: Profile;
  readonly signingKey: SigningKey;
  readonly connection: MeshConnection;
  /** Request ids by operation. */
  readonly asked: Map<Name, string>;
}

async function askerOf(profile: Profile): Promise<Asker> {
  const principal = profile.principal;
  const connection = await connectMesh({
    servers: profile.natsUrl,
    nkeySeed: Secret.fromText(profile.nkeySeed, 'nkey-seed'),
    principal,
  });
  const signingKey = signingKeyOf(new Secret(fromBase64Url(profile.channelSeed)!, 'seed'));
  const asked = new Map<Name, string>();
  const operations = new Map(
    [...CONTRACTS.values()].map((contract) => [contracts.rpcSubject(contract, principal), contract.name]),
  );
  const request = connection.nats.request.bind(connection.nats);
  connection.nats.request = (subject, body, options) => {
    const operation = operations.get(subject);
    const requestId = options?.headers?.get(contracts.HEADERS.requestId);
    if (operation !== undefined && requestId !== undefined) asked.set(operation, requestId);
    return request(subject, body, options);
  };
  const { meshPublicKey } = profile;
  const caller = makeCaller({ connection, principal, signingKey, meshPublicKey, clock: systemClock });
  return { caller, profile, signingKey, connection, asked };
}

beforeAll(async () => {
  mesh = await startMesh();
  operator = await connectOperator(mesh);
  await enrolAs(mesh, operator, 'other', ['reader']);
  nobody = await askerOf(await enrolAs(mesh, operator, 'nobody', ['plain-reply']));
  const values = { value: `key-${randomUUID()}-Zq` };
  await operator.keymesh.credentials.store({ ...named, type: 'api_key', values });
  somebody = await askerOf(await readProfile(mesh.home, 'operator'));
}, 400_000);
afterAll(async () => {
  for (const { caller, connection } of [nobody, somebody]) {
    caller.close();
    await connection.close();
  }
  await operator.keymesh.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const id = randomUUID();
const text = () => Secret.fromText(`value-${randomUUID()}`, 'spec');
const named = { name: 'walk/key' };
const lease = { leaseId: id };
const rotation = { credentialId: id, rotationId: id };
const resource = { kind: 'credential' as const, id };

/** A statement of whoever asks. */
function statementOf(
  { profile, signingKey }: Asker,
  type: Statement['type'],
  rest: object,
): { statement: string } {
  const said = {
    ...{ v: 1, type, meshId: profile.meshId, issuer: profile.principal, statementId: randomUUID() },
    ...{ issuedAt: new Date().toISOString(), ...rest },
  };
  return { statement: signStatement(said as Statement, signingKey) };
}

/** What each operation is asked: of the right shape, and about something that there may be or not. */
function requestsOf(asker: Asker): Readonly<Record<Name, object>> {
  const say = (type: Statement['type'], rest: object) => statementOf(asker, type, rest);
  const about = { principal: 'other' };
  const fresh = makeTestPrincipal('other');
  const key = { ...about, nkeys: [], channelKeys: [fresh.signingKey.publicKeyText] };
  const statementId = randomUUID();
  const proof = proveKey({ meshId: asker.profile.meshId, statementId, principal: 'other' }, fresh.signingKey);
  const tokenKey = makeTestPrincipal('token');
  return {
    activateCredential: named,
    addPrincipalKeys: say('principal.keys-added', {
      ...about,
      statementId,
      nkeys: [],
      channelKeys: [{ key: fresh.signingKey.publicKeyText, proof }],
    }),
    approveRequest: {
      approval: signApproval(
        {
          ...{
            v: 1 as const,
            meshId: asker.profile.meshId,
            approvalId: id,
            approver: asker.profile.principal,
          },
          request: { principal: 'other', action: 'retrieve', resource },
          issuedAt: new Date().toISOString(),
          expiresAt: new Date(Date.now() + 60_000).toISOString(),
        },
        asker.signingKey,
      ),
    },
    attestBundle: { nonce: Buffer.alloc(32, 1).toString('base64url') },
    batchRetrieveCredentials: { items: [named] },
    batchStoreCredentials: { items: [{ ...named, type: 'api_key', values: { value: text() } }] },
    cancelKeyJob: { jobId: id },
    cancelRequest: { approvalId: id },
    certifyChannelKey: { publicKey: Buffer.alloc(32, 9).toString('base64url') },
    checkQuality: { type: 'api_key', values: { value: text() }, namespace: 'walk' },
    closeBreakGlass: say('break-glass.closed', { ...about, openingId: id }),
    closeSession: { ...about, nkey: fresh.publicNkey },
    confirmPolicy: say('policy.confirmed', { policyId: 'walk', change: id }),
    createPrincipal: say('enrolment.issued', {
      ...{ principal: 'newcomer', kind: 'service', roles: ['reader'] },
      ...{ tokenNkey: tokenKey.publicNkey, tokenKey: tokenKey.signingKey.publicKeyText },
      statementId: enrolmentIdOf(tokenKey.signingKey.publicKeyText),
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    }),
    credentialHistory: named,
    deactivateCredential: named,
    deleteCredential: named,
    describeCredential: named,
    describeCredentialPolicy: {},
    describePolicy: { policyId: 'walk' },
    describePolicySet: { bundleVersion: 1 },
    describePrincipal: about,
    describeShadow: {},
    describeTemplate: { name: 'walk' },
    describeType: { type: 'api_key', namespace: 'walk' },
    destroyKey: { namespace: 'walk', version: 1 },
    destroyVersion: { ...named, version: 1 },
    disablePrincipal: { ...about, reason: 'spec' },
    discardVersion: { ...rotation, version: 1 },
    enablePrincipal: say('principal.status-set', { ...about, status: 'active' }),
    explainDecision: {
      principal: 'other',
      action: 'retrieve',
      resource: { ...resource, attributes: {} },
      context: {},
    },
    exportCredentials: { namespace: 'walk' },
    findDecision: { index: 0 },
    getCheckpoint: {},
    importCredentials: { items: [{ ...named, type: 'api_key', values: { value: text() } }], source: 'json' },
    issueLease: named,
    keyJob: { jobId: id },
    keyStatus: { namespace: 'walk' },
    liftKillSwitch: say('kill-switch.lifted', { killId: id }),
    listApprovals: {},
    listAuditEvents: { fromIndex: 0, limit: 1 },
    listBreakGlass: {},
    listCredentials: {},
    listDecisions: { since: new Date().toISOString() },
    listFindings: {},
    listIdentityRules: {},
    listKeyJobs: {},
    listKillSwitches: {},
    listLeases: { principal: '*' },
    listPolicies: {},
    listPolicySets: {},
    listPrincipals: {},
    listRotatable: {},
    listRotations: {},
    listTemplates: {},
    listTypes: {},
    lockPrincipal: { ...about, lockSeconds: 60, reason: 'spec' },
    lockVault: {},
    openBreakGlass: {
      ...say('break-glass.opened', { ...about, until: new Date(Date.now() + 60_000).toISOString() }),
      reason: 'spec',
    },
    prepareVersion: { ...rotation, values: { value: text() } },
    promoteVersion: { ...rotation, version: 1 },
    proveConsistency: { fromSize: 1, toSize: 1 },
    proveInclusion: { index: 0, treeSize: 1 },
    reencryptNamespace: { namespace: 'walk' },
    rejectRequest: { approvalId: id, reason: 'spec' },
    removePrincipalKeys: say('principal.keys-removed', key),
    renewLease: lease,
    reportShadow: { shadowId: id },
    requestApproval: { action: 'retrieve', resource, attributes: {}, reason: 'spec', lastsSeconds: 60 },
    restoreCredential: named,
    retrieveCredential: named,
    revealVersion: { ...rotation, version: 1 },
    reviewBreakGlass: {
      ...say('break-glass.reviewed', { ...about, openingId: id, justified: true }),
      finding: 'spec',
    },
    revokeLease: lease,
    revokeLeases: about,
    rewrapKeys: { namespace: 'walk' },
    rotateCredential: named,
    rotateKey: { namespace: 'walk' },
    setCredentialPolicy: say('credential-policy.set', { document: null, basedOn: null }),
    setIdentityRule: say('identity-rule.set', { ruleId: 'walk', rule: null, basedOn: null }),
    setKillSwitch: { scope: 'principal', name: 'other', reason: 'spec' },
    setPolicy: say('policy.set', {
      ...{ policyId: 'walk', cedar: 'permit(principal, action, resource);' },
      ...{ twoPerson: false, basedOn: null },
    }),
    setPrincipalAttributes: say('principal.attributes-set', { ...about, attributes: {} }),
    setPrincipalRoles: say('principal.roles-set', { ...about, before: ['reader'], roles: [] }),
    setShadow: { ...say('policy.shadow-set', { digest: null }), policies: [] },
    storeCredential: { ...named, type: 'api_key', values: { value: text() } },
    unlockPrincipal: about,
    unlockVault: {},
    updateCredential: { ...named, label: 'spec' },
    validatePolicy: { policyId: 'walk', cedar: 'permit(principal, action, resource);' },
    vaultStatus: {},
  };
}

/** Asks each, one after the other. @returns how each ended */
async function askAll(asker: Asker, operations: readonly Name[]): Promise<Map<Name, string>> {
  const requests = requestsOf(asker);
  const outcomes = new Map<Name, string>();
  for (const name of operations) {
    const ask = (): Promise<string> =>
      asker.caller.call(CONTRACTS.get(name)!, requests[name] as never).then(
        () => 'success',
        (error: unknown) => (KeymeshError.is(error) ? error.code : String(error)),
      );
    let outcome = await ask();
    // The detector locks who is denied so often.
    while (outcome === 'PRINCIPAL_LOCKED') {
      await operator.keymesh.call(contracts.unlockPrincipal, { principal: asker.profile.principal });
      outcome = await ask();
    }
    outcomes.set(name, outcome);
  }
  return outcomes;
}

async function recordsOf(asker: Asker): Promise<ReadonlyMap<Name, readonly LoggedRecord[]>> {
  // The ledger follows the journal: until what was asked last is there.
  await somebody.caller.call(contracts.listPrincipals, {});
  const marker = somebody.asked.get('listPrincipals');
  return eventually(
    async () => {
      const log = await readLog(operator.keymesh);
      const byRequest = Map.groupBy(log, ({ requestId }) => requestId);
      expect(byRequest.has(marker)).toBe(true);
      return new Map([...asker.asked].map(([name, requestId]) => [name, byRequest.get(requestId) ?? []]));
    },
    { timeoutMs: 60_000 },
  );
}

describe('the record of every operation', () => {
  it('is asked for here', () => {
    const known = [...Object.keys(requestsOf(nobody)), ...Object.keys(UNDECIDED)];
    expect([...CONTRACTS.keys()].filter((name) => !known.includes(name))).toEqual([]);
  });

  const isDecided = (name: Name): boolean => !(name in UNDECIDED) && !NOTHING_THERE.includes(name);

  it('holds the decision when somebody without a right asks', async () => {
    const operations = [...CONTRACTS.keys()].filter(isDecided);
    const outcomes = await askAll(nobody, operations);
    // A record that is committed with rows (a batch's) is carried to the journal by the relay: it may come after the marker.
    const records = await eventually(
      async () => {
        const found = await recordsOf(nobody);
        const isThere = (name: Name): boolean => (found.get(name) ?? []).some(({ decision }) => decision);
        expect(operations.filter((name) => !isThere(name))).toEqual([]);
        return found;
      },
      { timeoutMs: 60_000 },
    );
    for (const name of operations) {
      const decisions = (records.get(name) ?? []).flatMap(({ decision }) => decision ?? []);
      // The rest of a batch succeeds.
      if (!name.startsWith('batch')) expect([name, outcomes.get(name)]).not.toEqual([name, 'success']);
      expect([name, decisions]).toEqual([name, [expect.objectContaining({ effect: 'forbid', errors: [] })]]);
      expect(decisions[0]).toMatchObject({
        bundleVersion: expect.any(Number),
        request: { principal: { name: 'nobody' } },
      });
    }
  });

  it('holds the decision and what permitted it when an operator reads', async () => {
    const operations = [...CONTRACTS.values()]
      .filter(({ name, mutation }) => isDecided(name) && !mutation)
      .map(({ name }) => name);
    await askAll(somebody, operations);
    const records = await recordsOf(somebody);
    const decided = (name: Name) =>
      (records.get(name) ?? [])
        .flatMap(({ decision }) => decision ?? [])
        .map(({ effect, determiningPolicies }) => [effect, determiningPolicies]);
    const permitted = [['permit', ['role.operator']]];
    // Reads of the log are recorded once a session and minute, with their count.
    const isOfTheLog = (name: Name): boolean => CONTRACTS.get(name)?.service === 'audit';
    expect(operations.filter(isOfTheLog).flatMap(decided)).toEqual(permitted);
    for (const name of operations.filter((operation) => !isOfTheLog(operation)))
      expect([name, decided(name)]).toEqual([
        name,
        SERVICES_ONLY.includes(name) ? [['forbid', []]] : permitted,
      ]);
    expect(operations.length).toBeGreaterThan(30);
  });
});
