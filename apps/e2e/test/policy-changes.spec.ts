import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, writeProfile, type Keymesh, type Profile } from '@keymesh/client';
import {
  disablePrincipal,
  explainDecision,
  listPrincipals,
  setPolicy,
  type ReplyOf,
} from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import { eventually } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';

// An operator says why a decision was made, and what a change would do before making it: on a whole mesh, by the commands that people type.
let mesh: RunningMesh;
let operator: { readonly profile: Profile; readonly keymesh: Keymesh };
let billing: Keymesh;
let auditor: Keymesh;

const NO_PROD = `forbid(principal == Keymesh::Principal::"billing", action == Keymesh::Action::"retrieve", resource)
  when { resource has namespace && resource.namespace == "prod" };`;

beforeAll(async () => {
  mesh = await startMesh();
  operator = await connectOperator(mesh);
  for (const name of ['prod/key', 'dev/key'])
    await operator.keymesh.credentials.store({
      ...{ name, type: 'api_key', values: { value: `key-${randomUUID()}-Zq` } },
    });
  billing = await connect({ profile: await enrolAs(mesh, operator, 'billing', ['reader']) });
  auditor = await connect({ profile: await enrolAs(mesh, operator, 'checker', ['auditor']) });
}, 400_000);
afterAll(async () => {
  for (const client of [billing, auditor, operator.keymesh]) await client.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'success',
    (error: unknown) => (error as { code: string }).code,
  );
/** Retrieves so many times. @returns how it ended, each time */
async function retrieve(client: Keymesh, name: string, times = 1): Promise<string[]> {
  const outcomes: string[] = [];
  for (let n = 0; n < times; n += 1)
    outcomes.push(
      await outcomeOf(client.credentials.retrieve(name).then((found) => found[Symbol.dispose]())),
    );
  return outcomes;
}

/** A policy change as the CLI signs it. */
async function set(policyId: string, cedar: string | null, basedOn: string | null): Promise<string> {
  const { meshId, principal: issuer, channelSeed } = operator.profile;
  const key = signingKeyOf(new Secret(fromBase64Url(channelSeed)!, 'seed'));
  const statementId = randomUUID();
  const statement = signStatement(
    {
      ...{
        v: 1,
        type: 'policy.set',
        meshId,
        issuer,
        statementId,
        policyId,
        cedar,
        twoPerson: false,
        basedOn,
      },
      issuedAt: new Date().toISOString(),
    },
    key,
  );
  await operator.keymesh.call(setPolicy, { statement });
  return statementId;
}
async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(mesh.home, `policies-${randomUUID()}`);
  await mkdir(folder);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, `${name}.cedar`), text);
  return folder;
}
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await mesh.cli([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout.toString('utf8')) as T;
}

interface Simulated {
  readonly replayed: number;
  readonly changed: readonly { readonly principal: string; readonly count: number }[];
}
/** Once everything that was recorded up to now is in the log. */
async function simulateAll(...args: string[]): Promise<Simulated> {
  const marker = await outcomeOf(billing.call(listPrincipals, {}));
  expect(marker).toBe('DENIED');
  const before = new Date().toISOString();
  await eventually(
    async () => {
      const records = await readLog(auditor);
      expect(
        records.some(
          ({ type, time, principal }) =>
            type === 'principal.listed' && principal === 'billing' && time <= before,
        ),
      ).toBe(true);
    },
    { timeoutMs: 30_000 },
  );
  return json<Simulated>('policy', 'simulate', ...args);
}
const recordedDecisions = async () =>
  (await readLog(auditor)).filter(({ decision }) => decision !== undefined);

describe('a policy change', () => {
  it('is not needed for every recorded decision to come out as it did', async () => {
    expect(await retrieve(billing, 'prod/key', 3)).toEqual(['success', 'success', 'success']);
    expect(await retrieve(billing, 'absent/key')).toEqual(['CREDENTIAL_NOT_FOUND']);
    const result = await simulateAll('--current');
    expect(result).toEqual({ replayed: result.replayed, changed: [] });
    expect(result.replayed).toBeGreaterThan(8);
  }, 120_000);

  it('is seen before it is made: who, what, how often and by which policy', async () => {
    const folder = await folderWith({ 'no-prod': NO_PROD });
    const { changed } = await simulateAll(folder);
    expect(changed).toEqual([
      {
        ...{ principal: 'billing', action: 'retrieve', from: 'permit', to: 'forbid', count: 3 },
        resource: { kind: 'credential', id: expect.any(String), name: 'prod/key' },
        because: ['policy.no-prod'],
        firstAt: expect.any(String),
        lastAt: expect.any(String),
      },
    ]);
    const told = await mesh.cli(['policy', 'simulate', folder]);
    expect(told.stdout.toString('utf8')).toMatch(
      /3 would change[\s\S]*billing +retrieve +prod\/key +permit → forbid/,
    );
  }, 120_000);

  it('can be watched in the shadow first, where it changes nothing', async () => {
    const folder = await folderWith({
      'no-prod': NO_PROD,
      // Errs for every request of a principal with a team: a difference, never a failure.
      wide: 'permit(principal, action == Keymesh::Action::"destroy", resource) when { principal.kind == "agent" };',
    });
    await json('policy', 'shadow', 'put', folder);
    const reportOf = () =>
      json<{
        shadow: { setBy: string } | null;
        report: { evaluated: number; differences: unknown[] } | null;
      }>(...['policy', 'shadow', 'show']);
    // The vault takes the bundle a moment after it is durable; what it evaluates it keeps every few seconds.
    await eventually(
      async () => {
        expect(await retrieve(billing, 'prod/key')).toEqual(['success']);
        expect(await retrieve(billing, 'dev/key')).toEqual(['success']);
        const { shadow, report } = await reportOf();
        expect(shadow?.setBy).toBe('operator');
        expect(report?.differences).toEqual([
          expect.objectContaining({
            ...{ principal: 'billing', action: 'retrieve', resourceKind: 'credential' },
            ...{ from: 'permit', to: 'forbid', because: ['policy.no-prod'] },
          }),
        ]);
        expect(report?.evaluated).toBeGreaterThan(1);
      },
      { timeoutMs: 60_000 },
    );
    await json('policy', 'shadow', 'stop');
    expect((await reportOf()).shadow).toBeNull();
  }, 120_000);

  it('does what the simulation said, and what was decided before it stays explained by what was in force then', async () => {
    const statementId = await set('no-prod', NO_PROD, null);
    await eventually(async () => expect(await retrieve(billing, 'prod/key')).toEqual(['DENIED']));
    expect(await retrieve(billing, 'dev/key')).toEqual(['success']);
    // Things that are decided by the directory, and things that change it.
    const gone = await connect({ profile: await enrolAs(mesh, operator, 'gone', ['reader']) });
    expect(await retrieve(gone, 'prod/key')).toEqual(['success']);
    await operator.keymesh.call(disablePrincipal, { principal: 'gone', reason: 'spec' });
    await gone.close();
    await set('no-prod', null, statementId);
    await eventually(async () => expect(await retrieve(billing, 'prod/key')).toEqual(['success']));
    const result = await simulateAll('--current');
    expect(result).toEqual({ replayed: result.replayed, changed: [] });
    expect(result.replayed).toBeGreaterThanOrEqual((await recordedDecisions()).length - 50);
  }, 120_000);

  it('leaves every old decision replayable after the policy service has been restarted', async () => {
    await mesh.restart();
    await eventually(async () => expect(await retrieve(billing, 'prod/key')).toEqual(['success']), {
      timeoutMs: 60_000,
    });
    const result = await simulateAll('--current');
    expect(result).toEqual({ replayed: result.replayed, changed: [] });
  }, 300_000);
});

describe('an explanation', () => {
  type Explained = ReplyOf<typeof explainDecision>;
  const explain = (...args: string[]) => json<Explained>('policy', 'explain', ...args);
  const aboutBilling = ['--principal', 'billing', '--credential', 'prod/key'];

  it('says what the vault would decide, and what would have permitted it', async () => {
    const permitted = await explain(...aboutBilling, '--action', 'retrieve');
    expect(permitted.decision).toMatchObject({ effect: 'permit', determiningPolicies: ['role.reader'] });
    const denied = await explain(...aboutBilling, '--action', 'destroy');
    expect(denied).toMatchObject({ decision: { effect: 'forbid', determiningPolicies: [] } });
    expect(denied.wouldPermit).toContainEqual({ what: 'role', role: 'operator' });
  }, 60_000);

  it('of a request is of the very request that the vault decides', async () => {
    await retrieve(billing, 'prod/key');
    const { decision } = await explain(...aboutBilling, '--action', 'retrieve');
    const recorded = await eventually(async () => {
      const found = (await recordedDecisions()).findLast(
        ({ type, principal, outcome }) =>
          type === 'credential.retrieved' && principal === 'billing' && outcome === 'success',
      );
      expect(found).toBeDefined();
      return found!.decision!;
    });
    const told = ({ context, ...request }: typeof decision.request) => {
      const { network: _where, time: _when, risk: _score, ...rest } = context;
      return { ...request, context: rest };
    };
    expect(told(decision.request)).toEqual(told(recorded.request));
    expect(decision.request.context.time).toBeGreaterThan(1_700_000_000);
  }, 60_000);

  it('of a recorded decision is of then: by index and by record id', async () => {
    const denied = (await recordedDecisions()).findLast(
      ({ decision }) => decision?.determiningPolicies.includes('policy.no-prod') === true,
    )!;
    for (const id of [String(denied.logIndex), denied.id]) {
      const { decision, policies, wouldPermit } = await explain('--record', id);
      expect(decision).toEqual(denied.decision);
      expect(policies).toMatchObject([{ id: 'policy.no-prod', cedar: NO_PROD, setBy: 'operator' }]);
      expect(wouldPermit).toEqual([{ what: 'without-policies', policies: ['policy.no-prod'] }]);
    }
  }, 60_000);

  it('tells nothing of a credential to an operator who may not describe it', async () => {
    await operator.keymesh.credentials.store({
      ...{ name: 'hidden/key', type: 'api_key', values: { value: `key-${randomUUID()}-Zq` } },
    });
    const hide = `forbid(principal == Keymesh::Principal::"checker", action, resource)
      when { resource has namespace && resource.namespace == "hidden" };`;
    const statementId = await set('hide', hide, null);
    await eventually(async () =>
      expect(await outcomeOf(auditor.credentials.describe('hidden/key'))).toBe('CREDENTIAL_NOT_FOUND'),
    );
    const asChecker = (name: string) =>
      mesh.cli([
        ...['policy', 'explain', '--principal', 'billing', '--action', 'retrieve'],
        ...['--credential', name, '--profile', 'checker', '--json'],
      ]);
    const [hidden, absent] = [await asChecker('hidden/key'), await asChecker('hidden/none')];
    expect(hidden.code).toBe(4);
    expect({ ...hidden, stdout: hidden.stdout.toString() }).toEqual({
      ...{ ...absent, stdout: absent.stdout.toString() },
    });
    await set('hide', null, statementId);
  }, 60_000);

  it('is for those who may read policies', async () => {
    const reader = await enrolAs(mesh, operator, 'curious', ['reader']);
    await writeProfile(mesh.home, reader);
    const denied = await mesh.cli([
      'policy',
      'explain',
      ...aboutBilling,
      '--action',
      'retrieve',
      '--profile',
      'curious',
    ]);
    expect(denied).toMatchObject({ code: 3, stderr: expect.stringContaining('DENIED') });
    const simulated = await mesh.cli(['policy', 'simulate', '--current', '--profile', 'curious']);
    expect(simulated.code).toBe(3);
  }, 60_000);
});
