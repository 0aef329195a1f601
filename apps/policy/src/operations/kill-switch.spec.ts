import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { KillScope, Role, StatementOf } from '@keymesh/contracts';
import { signStatement } from '@keymesh/policy-engine';
import { expectCode, makeTestClock, type TestClock, type TestPrincipal } from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, makeBookMesh, makeInvitation, type BookMesh } from '../../test/support/invitations.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeDisablePrincipal } from './disable-principal.js';
import { makeEnrolPrincipal } from './enrol-principal.js';
import { makeLiftKillSwitch } from './lift-kill-switch.js';
import { makeListKillSwitches } from './list-kill-switches.js';
import { makeSetKillSwitch } from './set-kill-switch.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let billing: TestPrincipal;
const set = (scope: KillScope, name?: string, call = callOf('operator')) =>
  makeSetKillSwitch(ports)({ scope, ...(name === undefined ? {} : { name }), reason: 'laptop stolen' }, call);
const lifting = (
  killId: string,
  by: TestPrincipal = mesh.operator,
  over: Partial<StatementOf<'kill-switch.lifted'>> = {},
): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date(clock.now()).toISOString(),
      issuer: by.name,
      type: 'kill-switch.lifted',
      killId,
      ...over,
    },
    by.signingKey,
  );
const lift = (statement: string, call = callOf('operator')) => makeLiftKillSwitch(ports)({ statement }, call);
const statuses = (): Record<string, string> =>
  Object.fromEntries(
    ports
      .state()
      .directory.list()
      .map(({ name, status }) => [name, status]),
  );

async function enrol(name: string, roles: Role[]): Promise<TestPrincipal> {
  const invitation = makeInvitation(mesh, name, clock, {
    roles,
    kind: roles.includes('operator') ? 'operator' : 'service',
  });
  await makeCreatePrincipal(ports)({ statement: invitation.statement }, callOf('operator'));
  await makeEnrolPrincipal(ports)({ statement: invitation.complete() }, callOf(name));
  return invitation.own;
}

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  billing = await enrol('billing', ['reader']);
  await enrol('second', ['operator', 'reader']);
  await enrol('admin', ['security-admin']);
});

describe('setKillSwitch', () => {
  it('stops one principal, cuts it, records it, and keeps the reason out of the record', async () => {
    expect(await set('principal', 'billing')).toMatchObject({ stopped: 1 });
    expect(statuses()).toMatchObject({ billing: 'killed', second: 'active' });
    expect(ports.cut).toEqual(['billing']);
    expect(ports.entries.at(-1)).toMatchObject({
      record: {
        type: 'kill-switch.set',
        resource: { kind: 'principal', id: 'billing' },
        facts: { scope: 'principal', name: 'billing', stopped: 1 },
      },
      beside: { reason: 'laptop stolen' },
    });
    expect(JSON.stringify(ports.records('kill-switch.set'))).not.toContain('laptop');
  });

  it('stops a role and everyone, but no operator and no service of the mesh', async () => {
    await set('role', 'reader');
    expect(statuses()).toMatchObject({ billing: 'killed', second: 'active', admin: 'active' });
    expect((await set('everyone')).stopped).toBe(1);
    expect(statuses()).toMatchObject({
      ...{ admin: 'killed', operator: 'active', second: 'active' },
      '_anomaly-detector': 'active',
    });
  });

  it('stops a namespace without touching anybody', async () => {
    expect(await set('namespace', 'payments')).toMatchObject({ stopped: 0 });
    expect(ports.state().directory.kills).toMatchObject([{ scope: 'namespace', name: 'payments' }]);
    expect(ports.cut).toEqual([]);
  });

  it('is one kill switch however often it is set, and what was disabled meanwhile stays disabled after it', async () => {
    const first = await set('principal', 'billing');
    const again = await set('principal', 'billing');
    expect(again).toMatchObject({ killId: first.killId, stopped: 0 });
    expect(ports.records('kill-switch.set')).toHaveLength(1);
    const disable = makeDisablePrincipal(ports);
    await disable({ principal: 'billing', reason: 'for good' }, callOf('operator'));
    await lift(lifting(first.killId));
    expect(statuses().billing).toBe('disabled');
  });

  it('never stops the last operator, and lets only an operator stop another', async () => {
    await expectCode(set('principal', 'second', callOf('admin')), 'DENIED');
    await set('principal', 'second');
    await expectCode(set('principal', 'operator'), 'DENIED');
    await expectCode(set('role', 'operator'), 'BAD_REQUEST');
    await expectCode(set('role', 'locker'), 'BAD_REQUEST');
    await expectCode(set('principal', '_anomaly-detector'), 'DENIED');
    await expectCode(set('principal', 'nobody'), 'PRINCIPAL_NOT_FOUND');
  });

  it('is for operators and security administrators', async () => {
    await set('role', 'writer', callOf('admin'));
    await expectCode(set('everyone', undefined, callOf('billing')), 'DENIED');
    await expectCode(set('principal', 'billing', callOf('_anomaly-detector')), 'DENIED');
    expect(ports.records('kill-switch.set').filter(({ outcome }) => outcome === 'denied')).toHaveLength(2);
  });

  it('closes invitations too: a token neither connects nor enrols while it stands', async () => {
    const guest = makeInvitation(mesh, 'guest', clock, { roles: ['reader'] });
    await makeCreatePrincipal(ports)({ statement: guest.statement }, callOf('operator'));
    const { killId } = await set('everyone');
    const complete = () => makeEnrolPrincipal(ports)({ statement: guest.complete() }, callOf('guest'));
    await expectCode(complete(), 'ENROLMENT_REJECTED');
    await lift(lifting(killId));
    await complete();
    expect(statuses().guest).toBe('active');
  });
});

describe('liftKillSwitch', () => {
  it('gives back by an operator’s signature, once, and leaves the others in force', async () => {
    const one = await set('principal', 'billing');
    const two = await set('role', 'reader');
    await lift(lifting(one.killId));
    expect(statuses().billing).toBe('killed');
    await lift(lifting(two.killId));
    expect(statuses().billing).toBe('active');
    await expectCode(lift(lifting(two.killId)), 'KILL_SWITCH_NOT_FOUND');
    expect(ports.records('kill-switch.lifted')).toHaveLength(2);
  });

  it('by nobody else: not by whoever is stopped, nor by who set it without being an operator', async () => {
    const { killId } = await set('role', 'reader', callOf('admin'));
    const asAdmin = { ...billing, name: 'admin' };
    await expectCode(lift(lifting(killId, asAdmin), callOf('admin')), 'DENIED');
    await expectCode(lift(lifting(killId, billing), callOf('billing')), 'DENIED');
    const forged = lifting(killId, billing, { issuer: 'operator' });
    await expectCode(lift(forged), 'STATEMENT_REJECTED');
    expect(statuses().billing).toBe('killed');
  });

  it('of none that is there: KILL_SWITCH_NOT_FOUND', async () => {
    await expectCode(lift(lifting(randomUUID())), 'KILL_SWITCH_NOT_FOUND');
  });
});

describe('listKillSwitches', () => {
  it('tells those in force and who lifted the others, and is recorded', async () => {
    const { killId } = await set('principal', 'billing');
    const kills = [...ports.state().directory.kills];
    const list = () =>
      makeListKillSwitches({ ...ports, listKills: () => Promise.resolve(kills) })({}, callOf('admin'));
    expect((await list()).killSwitches).toMatchObject([{ killId, by: 'operator', lifted: null }]);
    await lift(lifting(killId));
    expect((await list()).killSwitches).toMatchObject([{ killId, lifted: { by: 'operator' } }]);
    expect(ports.records('kill-switch.listed')).toHaveLength(2);
  });
});
