import { beforeEach, describe, expect, it } from '@jest/globals';
import { auditRecord } from '@keymesh/contracts';
import { DAY, HOUR, MINUTE } from '@keymesh/kernel';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
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
import { makeEnrolPrincipal } from './enrol-principal.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
const create = (statement: string, call = callOf('operator')) =>
  makeCreatePrincipal(ports)({ statement }, call);

beforeEach(() => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
});

describe('createPrincipal', () => {
  it('adds the statement that the operator signed, with its record and the next bundle', async () => {
    const { statement } = makeInvitation(mesh, 'billing', clock, { roles: ['reader', 'auditor'] });
    expect(await create(statement)).toEqual({ principal: 'billing', bundleVersion: 2 });
    expect(ports.state().directory.statements.at(-1)).toBe(statement);
    expect(ports.statusOf('billing')).toBe('invited');
    const [record] = ports.records('principal.created');
    expect(auditRecord.parse(record)).toMatchObject({
      outcome: 'success',
      principal: 'operator',
      resource: { kind: 'principal', id: 'billing' },
      decision: { effect: 'permit', determiningPolicies: ['role.operator'] },
      facts: { roles: 'reader auditor' },
    });
  });

  it('changes nothing for the same statement again', async () => {
    const { statement } = makeInvitation(mesh, 'billing', clock);
    await create(statement);
    expect(await create(statement)).toEqual({ principal: 'billing', bundleVersion: 2 });
    expect(ports.records('principal.created')).toHaveLength(1);
  });

  it('refuses who may not write principals, records that, and only sums many of them', async () => {
    const reader = makeInvitation(mesh, 'reader', clock);
    await create(reader.statement);
    await makeEnrolPrincipal(ports)({ statement: reader.complete() }, callOf('reader'));
    const asReader = makeInvitation({ ...mesh, operator: reader.own }, 'mallory', clock).statement;
    for (let attempt = 0; attempt < 20; attempt += 1)
      await expectCode(create(asReader, callOf('reader')), 'DENIED');
    expect(ports.statusOf('mallory')).toBeUndefined();
    expect(ports.records('principal.created').filter(({ outcome }) => outcome === 'denied')).toHaveLength(5);
    clock.advance(MINUTE);
    await ports.refusals.flush();
    expect(ports.records('principal.created').at(-1)).toMatchObject({
      code: 'DENIED',
      facts: { summed: 15 },
    });
  });

  it.each([
    [
      'signed by somebody else in the operator’s name',
      () => makeInvitation(mesh, 'x', clock, { by: makeInvitation(mesh, 'y', clock).tokenKey }).statement,
    ],
    [
      'made in the name of another',
      () => makeInvitation(mesh, 'x', clock, { over: { issuer: 'second' } }).statement,
    ],
    ['of another mesh', () => makeInvitation(mesh, 'x', clock, { over: { meshId: 'other' } }).statement],
    ['of another type', () => statusStatement(mesh, 'x', 'disabled', clock)],
    [
      'kept back for a day',
      () =>
        makeInvitation(mesh, 'x', clock, { over: { issuedAt: new Date(clock.now() - DAY).toISOString() } })
          .statement,
    ],
    ['for longer than 31 days', () => makeInvitation(mesh, 'x', clock, { lastsMs: 32 * DAY }).statement],
    ['that is no statement', () => 'a.b.c'],
  ])('refuses a statement %s', async (_what, statement) => {
    await expectCode(create(statement()), 'STATEMENT_REJECTED');
    expect(ports.state().version).toBe(1);
  });

  it('refuses a name that exists, but invites again who never enrolled: after expiry or withdrawal', async () => {
    await expectCode(create(makeInvitation(mesh, 'operator', clock).statement), 'PRINCIPAL_EXISTS');
    const first = makeInvitation(mesh, 'billing', clock);
    await create(first.statement);
    await expectCode(create(makeInvitation(mesh, 'billing', clock).statement), 'PRINCIPAL_EXISTS');
    clock.advance(HOUR + 1);
    await create(makeInvitation(mesh, 'billing', clock).statement);
    await makeDisablePrincipal(ports)({ principal: 'billing', reason: 'lost' }, callOf('operator'));
    expect(ports.statusOf('billing')).toBe('disabled');
    const third = makeInvitation(mesh, 'billing', clock);
    await create(third.statement);
    await expectCode(
      makeEnrolPrincipal(ports)({ statement: first.complete() }, callOf('billing')),
      'ENROLMENT_REJECTED',
    );
    await makeEnrolPrincipal(ports)({ statement: third.complete() }, callOf('billing'));
    expect(ports.statusOf('billing')).toBe('active');
    await expectCode(create(makeInvitation(mesh, 'billing', clock).statement), 'PRINCIPAL_EXISTS');
  });

  it('promises nothing that was not committed', async () => {
    ports.failWith('STORE_UNAVAILABLE');
    await expectCode(create(makeInvitation(mesh, 'billing', clock).statement), 'STORE_UNAVAILABLE');
    expect(ports.statusOf('billing')).toBeUndefined();
  });
});
