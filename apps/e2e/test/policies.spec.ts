import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connect, type Keymesh, type Profile } from '@keymesh/client';
import {
  confirmPolicy,
  describePolicy,
  disablePrincipal,
  enablePrincipal,
  issueLease,
  listPolicies,
  SERVICES,
  setPolicy,
  type ReplyOf,
  type Statement,
} from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import { eventually } from '@keymesh/testing';
import { readLog, type LoggedRecord } from './support/audit-log.js';
import { meshStatus } from './support/kill.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';

// Policies that operators write, on a whole mesh: a change is in force where its reply says it is, and two persons are two.
jest.setTimeout(180_000);
interface Person {
  readonly profile: Profile;
  readonly keymesh: Keymesh;
}
let mesh: RunningMesh;
let operator: Person;
let second: Person;
let guard: Person;
let reader: Person;
/** Another one: whoever is denied often is locked by the detector. */
let patient: Person;

beforeAll(async () => {
  mesh = await startMesh();
  operator = await connectOperator(mesh);
  const enrol = async (name: string, roles: Parameters<typeof enrolAs>[3]): Promise<Person> => {
    const profile = await enrolAs(mesh, operator, name, roles);
    return { profile, keymesh: await connect({ profile }) };
  };
  second = await enrol('second', ['operator']);
  guard = await enrol('guard', ['security-admin']);
  reader = await enrol('reader', ['reader']);
  patient = await enrol('patient', ['reader']);
  for (const name of ['prod/key', 'dev/key'])
    await operator.keymesh.credentials.store({
      name,
      type: 'api_key',
      values: { value: `key-${randomUUID()}-Zq` },
    });
}, 400_000);
afterAll(async () => {
  for (const { keymesh } of [operator, second, guard, reader, patient]) await keymesh.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const sign = ({ profile }: Person, statement: object): string =>
  signStatement(
    {
      ...{ v: 1, meshId: profile.meshId, issuer: profile.principal, statementId: randomUUID() },
      ...{ issuedAt: new Date().toISOString(), ...statement },
    } as Statement,
    signingKeyOf(new Secret(fromBase64Url(profile.channelSeed)!, 'seed')),
  );
type Changed = ReplyOf<typeof setPolicy>;
async function set(who: Person, policyId: string, cedar: string | null, twoPerson = false): Promise<Changed> {
  const described = await who.keymesh.call(describePolicy, { policyId }).catch(() => undefined);
  const basedOn = described?.inForce?.statementId ?? null;
  const statement = sign(who, { type: 'policy.set', policyId, cedar, twoPerson, basedOn });
  return who.keymesh.call(setPolicy, { statement });
}
async function confirm(who: Person, policyId: string): Promise<Changed> {
  const { waiting } = await who.keymesh.call(describePolicy, { policyId });
  const change = waiting?.statementId ?? randomUUID();
  return who.keymesh.call(confirmPolicy, {
    statement: sign(who, { type: 'policy.confirmed', policyId, change }),
  });
}
const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'success',
    (error: unknown) => (error as { code: string }).code,
  );
const retrieve = ({ keymesh }: Person, name: string, purpose?: string): Promise<string> =>
  outcomeOf(
    keymesh.credentials
      .retrieve(name, purpose === undefined ? {} : { purpose })
      .then((found) => found[Symbol.dispose]()),
  );
/** Waits until the newest record of this type and principal is as expected: the ledger follows the journal. */
async function lastRecord(type: string, principal: string, expected: object): Promise<LoggedRecord> {
  return eventually(
    async () => {
      const found = (await readLog(operator.keymesh)).findLast(
        (record) => record.type === type && record.principal === principal,
      );
      expect(found).toMatchObject(expected);
      return found!;
    },
    { timeoutMs: 30_000 },
  );
}

const NO_PROD = `forbid(principal in Keymesh::Role::"reader", action == Keymesh::Action::"retrieve", resource)
  when { resource has namespace && resource.namespace == "prod" };`;

describe('a change of a policy', () => {
  it('decides everywhere when its reply comes, and the reply says where', async () => {
    for (let round = 0; round < 5; round += 1) {
      expect(await retrieve(reader, 'prod/key')).toBe('success');
      const written = await set(operator, 'no-prod', NO_PROD);
      expect(await retrieve(reader, 'prod/key')).toBe('DENIED');
      expect(written).toMatchObject({
        state: 'in-force',
        inForce: { instances: SERVICES.length, unconfirmed: [] },
      });
      expect(await retrieve(reader, 'dev/key')).toBe('success');
      expect(await set(operator, 'no-prod', null)).toMatchObject({ state: 'removed' });
    }
  });

  it('stands in every record that it decided, with bundle, time and purpose', async () => {
    const { bundleVersion } = await set(operator, 'no-prod', NO_PROD);
    const before = Math.floor(Date.now() / 1_000);
    expect(await retrieve(reader, 'prod/key', 'nightly-report')).toBe('DENIED');
    const { decision } = await lastRecord('credential.retrieved', 'reader', {
      outcome: 'denied',
      decision: {
        effect: 'forbid',
        bundleVersion,
        determiningPolicies: ['policy.no-prod'],
        request: { context: { purpose: 'nightly-report', channel: 'encrypted', service: 'vault' } },
      },
    });
    expect(decision?.request.context.time).toBeGreaterThanOrEqual(before);
    await lastRecord('policy.set', 'operator', {
      outcome: 'success',
      resource: { kind: 'policy', id: 'no-prod' },
      decision: { effect: 'permit', determiningPolicies: ['role.operator'] },
    });
    await set(operator, 'no-prod', null);
  });

  it('names the instance that does not answer', async () => {
    const pid = (await meshStatus(mesh)).services.audit.pid!;
    process.kill(pid, 'SIGSTOP');
    try {
      const { inForce } = await operator.keymesh.call(disablePrincipal, {
        principal: 'second',
        reason: 'spec',
      });
      expect(inForce?.unconfirmed).toEqual([expect.stringMatching(/^audit\//)]);
      expect(inForce?.instances).toBe(SERVICES.length - 1);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const statement = sign(operator, { type: 'principal.status-set', principal: 'second', status: 'active' });
    await operator.keymesh.call(enablePrincipal, { statement });
    await second.keymesh.close();
    second = { ...second, keymesh: await connect({ profile: second.profile }) };
  });

  it('may ask for a purpose, of a lease too', async () => {
    await set(
      operator,
      'why',
      `forbid(principal in Keymesh::Role::"reader", action in [Keymesh::Action::"retrieve", Keymesh::Action::"lease.issue"], resource)
         unless { context has purpose && context.purpose == "checkout" };`,
    );
    expect(await retrieve(reader, 'dev/key')).toBe('DENIED');
    expect(await retrieve(reader, 'dev/key', 'checkout')).toBe('success');
    const lease = (purpose: object) =>
      outcomeOf(reader.keymesh.call(issueLease, { name: 'dev/key', ...purpose }));
    expect(await lease({})).toBe('DENIED');
    expect(await lease({ purpose: 'checkout' })).toBe('success');
    await lastRecord('lease.issued', 'reader', {
      decision: { request: { context: { purpose: 'checkout' } } },
    });
    await set(operator, 'why', null);
  });
});

describe('a policy that takes two persons', () => {
  it('is changed by no hasty operator alone', async () => {
    expect(await set(operator, 'marked', NO_PROD, true)).toMatchObject({ state: 'waiting' });
    expect(await retrieve(patient, 'prod/key')).toBe('success');
    expect(await outcomeOf(confirm(operator, 'marked'))).toBe('STATEMENT_REJECTED');
    expect(await confirm(second, 'marked')).toMatchObject({
      state: 'in-force',
      inForce: { unconfirmed: [] },
    });
    expect(await retrieve(patient, 'prod/key')).toBe('DENIED');

    for (const hasty of [
      () => set(operator, 'marked', null),
      () => set(operator, 'marked', NO_PROD, false),
    ]) {
      expect(await hasty()).toMatchObject({ state: 'waiting' });
      expect(await outcomeOf(confirm(operator, 'marked'))).toBe('STATEMENT_REJECTED');
      expect(await retrieve(patient, 'prod/key')).toBe('DENIED');
    }
    expect(await confirm(guard, 'marked')).toMatchObject({ state: 'in-force' });
    expect(await set(operator, 'marked', null)).toMatchObject({ state: 'removed' });
    expect(await retrieve(patient, 'prod/key')).toBe('success');
  });
});

describe('a security administrator', () => {
  it('never gets a value, whatever it writes', async () => {
    await set(guard, 'all-mine', 'permit(principal, action, resource);');
    await set(guard, 'mine', 'permit(principal == Keymesh::Principal::"guard", action, resource);');
    expect(await retrieve(guard, 'dev/key')).toBe('DENIED');
    expect(await outcomeOf(guard.keymesh.call(issueLease, { name: 'dev/key' }))).toBe('DENIED');
    await lastRecord('credential.retrieved', 'guard', {
      decision: { determiningPolicies: ['role.security-admin.no-values'] },
    });
    const [batched] = await guard.keymesh.credentials.batchRetrieve(['dev/key']);
    expect(batched).toMatchObject({ error: { code: 'DENIED' } });
    await set(guard, 'all-mine', null);
    await set(guard, 'mine', null);
  });

  it('cannot lock everybody out', async () => {
    expect(await outcomeOf(set(guard, 'lock', 'forbid(principal, action, resource);'))).toBe(
      'POLICY_INVALID',
    );
    expect((await operator.keymesh.call(listPolicies, {})).policies).toEqual([]);
  });
});

describe('keymesh policy', () => {
  const file = async (name: string, text: string): Promise<string> => {
    const folder = join(mesh.home, 'policies-of-spec');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const typed = async (...args: string[]) => {
    const { code, stdout, stderr } = await mesh.cli(['policy', ...args]);
    return { code, out: stdout.toString('utf8'), err: stderr };
  };

  it('refuses a wrong text with file, line and column, before anything is sent', async () => {
    const wrong = await file(
      'wrong.cedar',
      'permit(principal, action, resource)\nwhen { context.risk < 5 };',
    );
    for (const command of ['validate', 'put']) {
      const { code, err } = await typed(command, wrong);
      expect([code, err]).toEqual([2, expect.stringMatching(/wrong\.cedar:2:8: .*`risk` of the context/)]);
    }
  });

  it('shows what would change, changes it, and takes it back', async () => {
    const path = await file('no-prod-typed.cedar', NO_PROD);
    expect((await typed('put', path, '--dry-run')).out).toContain('+ forbid(');
    expect((await typed('list', '--json')).out).toContain('"policies":[]');
    expect((await typed('put', path)).out).toMatch(
      /no-prod-typed: written \(bundle \d+, in force on 5 instances after \d+ ms\)/,
    );
    expect((await typed('put', path)).out).toBe('no-prod-typed: as it is in force\n');
    await file('no-prod-typed.cedar', NO_PROD.replace('"prod"', '"dev"'));
    expect((await typed('put', path)).out).toContain(
      '-   when { resource has namespace && resource.namespace == "prod" };',
    );
    expect((await typed('rollback', 'no-prod-typed')).out).toContain(
      '+   when { resource has namespace && resource.namespace == "prod" };',
    );
    expect((await typed('show', 'no-prod-typed')).out).toContain('"prod"');
    const history = JSON.parse((await typed('show', 'no-prod-typed', '--history', '--json')).out) as ReplyOf<
      typeof describePolicy
    >;
    expect(history.history.map(({ state }) => state)).toEqual(['in-force', 'replaced', 'replaced']);
    expect((await typed('remove', 'no-prod-typed')).code).toBe(0);
    expect((await typed('remove', 'no-prod-typed')).code).toBe(4);
    expect((await typed('list', '--built-in')).out).toContain('// role.break-glass');
  });

  it('decides cases', async () => {
    const cases = await file(
      'cases.json',
      JSON.stringify({
        cases: [
          {
            principal: { name: 'x', roles: ['reader'] },
            action: 'retrieve',
            resource: { kind: 'credential', id: 'c', attributes: { namespace: 'prod' } },
            effect: 'forbid',
            determiningPolicies: ['policy.no-prod-typed'],
          },
        ],
      }),
    );
    const path = await file('no-prod-typed.cedar', NO_PROD);
    expect(await typed('test', cases, '--policies', path)).toMatchObject({ code: 0 });
    const { code, out } = await typed('test', cases, '--mesh');
    expect([code, out]).toEqual([1, expect.stringContaining('✗ case 1')]);
  });
});
