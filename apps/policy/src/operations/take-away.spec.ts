import { beforeEach, describe, expect, it } from '@jest/globals';
import { MINUTE } from '@keymesh/kernel';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import type { Role } from '@keymesh/contracts';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import {
  callOf,
  makeBookMesh,
  makeInvitation,
  statusStatement,
  type BookMesh,
} from '../../test/support/invitations.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeDisablePrincipal } from './disable-principal.js';
import { makeEnablePrincipal } from './enable-principal.js';
import { makeEnrolPrincipal } from './enrol-principal.js';
import { makeListPrincipals } from './list-principals.js';
import { makeLockPrincipal } from './lock-principal.js';
import { makeUnlockPrincipal } from './unlock-principal.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
const operator = () => callOf('operator');
const disable = (principal: string, call = operator()) =>
  makeDisablePrincipal(ports)({ principal, reason: 'laptop lost' }, call);
const lock = (principal: string, lockSeconds = 60, call = callOf('_anomaly-detector')) =>
  makeLockPrincipal(ports)({ principal, lockSeconds, reason: 'burst' }, call);
const unlock = (principal: string, call = operator()) => makeUnlockPrincipal(ports)({ principal }, call);
const enable = (statement: string) => makeEnablePrincipal(ports)({ statement }, operator());

async function enrol(name: string, roles: Role[] = ['reader']): Promise<void> {
  const invitation = makeInvitation(mesh, name, clock, {
    roles,
    kind: roles.includes('operator') ? 'operator' : 'service',
  });
  await makeCreatePrincipal(ports)({ statement: invitation.statement }, operator());
  await makeEnrolPrincipal(ports)({ statement: invitation.complete() }, callOf(name));
}

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  await enrol('billing');
});

describe('disablePrincipal', () => {
  it('takes everything, cuts connections, and holds until an operator’s statement gives it back', async () => {
    expect(await disable('billing')).toMatchObject({ principal: 'billing' });
    expect(ports.statusOf('billing')).toBe('disabled');
    expect(ports.cut).toEqual(['billing']);
    expect(ports.entries.at(-1)).toMatchObject({
      record: { type: 'principal.disabled' },
      beside: { reason: 'laptop lost' },
    });
    await unlock('billing');
    expect(ports.statusOf('billing')).toBe('disabled');
    await enable(statusStatement(mesh, 'billing', 'active', clock));
    expect(ports.statusOf('billing')).toBe('active');
  });

  it('keeps the reason out of the record itself', async () => {
    await disable('billing');
    expect(JSON.stringify(ports.records('principal.disabled'))).not.toContain('laptop');
  });

  it('refuses the last operator, but not one of two', async () => {
    await expectCode(disable('operator'), 'DENIED');
    await enrol('second', ['operator']);
    await disable('operator');
    expect(ports.statusOf('operator')).toBe('disabled');
  });

  it('knows who is not there, and who may not', async () => {
    await expectCode(disable('nobody'), 'PRINCIPAL_NOT_FOUND');
    await expectCode(disable('operator', callOf('billing')), 'DENIED');
    await expectCode(disable('billing', callOf('_anomaly-detector')), 'DENIED');
  });

  it('says DENIED, not NOT_FOUND, to those who may not: nobody learns names that way', async () => {
    await expectCode(disable('nobody', callOf('billing')), 'DENIED');
    await expectCode(lock('nobody', 60, callOf('billing')), 'DENIED');
  });
});

describe('enablePrincipal', () => {
  it('takes a statement with status active only, made now, by the caller', async () => {
    await disable('billing');
    await expectCode(enable(statusStatement(mesh, 'billing', 'disabled', clock)), 'STATEMENT_REJECTED');
    const old = statusStatement(mesh, 'billing', 'active', clock);
    clock.advance(11 * MINUTE);
    await expectCode(enable(old), 'STATEMENT_REJECTED');
    expect(ports.statusOf('billing')).toBe('disabled');
  });
});

describe('lockPrincipal', () => {
  it('locks for a while, and ends by the clock alone', async () => {
    const { lockedUntil } = await lock('billing', 60);
    expect(Date.parse(lockedUntil)).toBe(clock.now() + MINUTE);
    expect(ports.statusOf('billing')).toBe('locked');
    clock.advance(MINUTE);
    expect(ports.statusOf('billing')).toBe('active');
    expect(ports.cut).toEqual([]);
  });

  it('never shortens a lock, and may lengthen it', async () => {
    const long = await lock('billing', 600);
    expect(await lock('billing', 60)).toEqual(long);
    expect(Date.parse((await lock('billing', 1_200)).lockedUntil)).toBe(clock.now() + 20 * MINUTE);
  });

  it('never locks operators, whoever asks', async () => {
    await expectCode(lock('operator'), 'DENIED');
    await enrol('second', ['reader', 'operator']);
    await expectCode(lock('second', 60, operator()), 'DENIED');
  });

  it('is for lockers and operators', async () => {
    await enrol('auditor', ['auditor']);
    await expectCode(lock('billing', 60, callOf('auditor')), 'DENIED');
    await lock('billing', 60, operator());
    expect(ports.statusOf('billing')).toBe('locked');
  });

  it('cuts a reader of the feed, whom no message check would stop', async () => {
    await enrol('splunk', ['siem']);
    await lock('splunk');
    expect(ports.cut).toEqual(['splunk']);
  });

  it('leaves a disabled principal disabled, also after the lock', async () => {
    await disable('billing');
    await lock('billing', 60);
    expect(ports.statusOf('billing')).toBe('disabled');
    clock.advance(MINUTE);
    expect(ports.statusOf('billing')).toBe('disabled');
  });
});

describe('unlockPrincipal', () => {
  it('ends a lock early, by operators only', async () => {
    await lock('billing');
    await expectCode(unlock('billing', callOf('_anomaly-detector')), 'DENIED');
    await unlock('billing');
    expect(ports.statusOf('billing')).toBe('active');
    expect(ports.records('principal.unlocked').filter(({ outcome }) => outcome === 'success')).toHaveLength(
      1,
    );
    await unlock('billing');
    expect(ports.records('principal.unlocked').filter(({ outcome }) => outcome === 'success')).toHaveLength(
      1,
    );
  });
});

describe('listPrincipals', () => {
  it('tells names, roles and status, after that is recorded', async () => {
    const { principals } = await makeListPrincipals(ports)({}, operator());
    expect(principals.map(({ name, status }) => [name, status])).toEqual([
      ['_anomaly-detector', 'active'],
      ['billing', 'active'],
      ['operator', 'active'],
    ]);
    expect(ports.records('principal.listed')).toMatchObject([
      { outcome: 'success', facts: { principals: 3 } },
    ]);
    ports.failWith('AUDIT_UNAVAILABLE');
    await expectCode(makeListPrincipals(ports)({}, operator()), 'AUDIT_UNAVAILABLE');
  });

  it('is not for readers', async () => {
    await expectCode(makeListPrincipals(ports)({}, callOf('billing')), 'DENIED');
  });
});
