import { beforeEach, describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE } from '@keymesh/kernel';
import { expectCode, makeTestClock, makeTestPrincipal, type TestClock } from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import {
  callOf,
  makeBookMesh,
  makeInvitation,
  type BookMesh,
  type TestInvitation,
} from '../../test/support/invitations.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeEnrolPrincipal } from './enrol-principal.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let invitation: TestInvitation;
const enrol = (statement: string, principal = 'billing') =>
  makeEnrolPrincipal(ports)({ statement }, callOf(principal, { sessionId: undefined, channel: 'plain' }));

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  invitation = makeInvitation(mesh, 'billing', clock);
  await makeCreatePrincipal(ports)({ statement: invitation.statement }, callOf('operator'));
});

describe('enrolPrincipal', () => {
  it('makes the bearer of the token active with its own keys, and tells it the mesh key to check', async () => {
    expect(await enrol(invitation.complete())).toEqual({
      principal: 'billing',
      meshId: mesh.trustRoot.meshId,
      meshPublicKey: mesh.trustRoot.meshPublicKey,
      bundleVersion: 3,
    });
    expect(ports.state().directory.findByNkey(invitation.own.publicNkey)?.status).toBe('active');
    expect(ports.records('principal.enrolled')).toMatchObject([
      { outcome: 'success', principal: 'billing', facts: { nkey: invitation.own.publicNkey } },
    ]);
  });

  it('answers the same keys again, though signed anew, and changes nothing', async () => {
    await enrol(invitation.complete());
    expect(await enrol(invitation.complete())).toMatchObject({ bundleVersion: 3 });
    expect(ports.records('principal.enrolled')).toHaveLength(1);
  });

  it('refuses other keys by a token that was used', async () => {
    await enrol(invitation.complete());
    const thief = makeTestPrincipal('billing');
    await expectCode(enrol(invitation.complete(thief)), 'ENROLMENT_REJECTED');
    expect(ports.state().directory.findByNkey(thief.publicNkey)).toBeUndefined();
  });

  it.each([
    ['after the token expired', (): string => (clock.advance(HOUR + MINUTE), invitation.complete())],
    [
      'after it expired, with a time put back',
      (): string => {
        const issuedAt = new Date(clock.now()).toISOString();
        clock.advance(HOUR + MINUTE);
        return invitation.complete(invitation.own, { issuedAt });
      },
    ],
    ['by another token', (): string => makeInvitation(mesh, 'billing', clock).complete()],
    ['with a key of the operator', (): string => invitation.complete(mesh.operator)],
    ['with an invitation instead', (): string => makeInvitation(mesh, 'billing', clock).statement],
    ['with nothing', (): string => 'a.b.c'],
  ])('refuses %s, with one neutral code, recorded', async (_what, statement) => {
    await expectCode(enrol(statement()), 'ENROLMENT_REJECTED');
    expect(ports.statusOf('billing')).toBe('invited');
    expect(ports.records('principal.enrolled')).toMatchObject([
      { outcome: 'denied', code: 'ENROLMENT_REJECTED' },
    ]);
  });

  it('refuses who connects as somebody else', async () => {
    await expectCode(enrol(invitation.complete(), 'other'), 'ENROLMENT_REJECTED');
  });

  it('does not call a store that is away a bad token', async () => {
    ports.failWith('STORE_UNAVAILABLE');
    await expectCode(enrol(invitation.complete()), 'STORE_UNAVAILABLE');
  });
});
