import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY, MINUTE, type SigningKey } from '@keymesh/kernel';
import { proveKey, signStatement } from '@keymesh/policy-engine';
import {
  expectCode,
  makeTestClock,
  makeTestPrincipal,
  type TestClock,
  type TestPrincipal,
} from '@keymesh/testing';
import type { Role, Statement } from '@keymesh/contracts';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, makeBookMesh, makeInvitation, type BookMesh } from '../../test/support/invitations.js';
import { judgeConnection } from '../domain/admission.js';
import { makeAddPrincipalKeys } from './add-principal-keys.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeDescribePrincipal } from './describe-principal.js';
import { makeDisablePrincipal } from './disable-principal.js';
import { makeEnrolPrincipal } from './enrol-principal.js';
import { makeRemovePrincipalKeys } from './remove-principal-keys.js';
import { makeSetPrincipalAttributes } from './set-principal-attributes.js';
import { makeSetPrincipalRoles } from './set-principal-roles.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let billing: TestPrincipal;

const sign = (statement: object, by: SigningKey = mesh.operator.signingKey): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date(clock.now()).toISOString(),
      issuer: 'operator',
      principal: 'billing',
      ...statement,
    } as Statement,
    by,
  );
const setRoles = (
  before: Role[],
  roles: Role[],
  call = callOf('operator'),
  over: object = {},
  by?: SigningKey,
) =>
  makeSetPrincipalRoles(ports)(
    { statement: sign({ type: 'principal.roles-set', before, roles, ...over }, by) },
    call,
  );

/** New keys of `billing`, signed with `by`'s key in `by`'s name. */
function addKeys(by: TestPrincipal = billing, own = makeTestPrincipal('billing')) {
  const statementId = randomUUID();
  const binding = { meshId: mesh.trustRoot.meshId, statementId, principal: 'billing' };
  const channelKeys = [{ key: own.signingKey.publicKeyText, proof: proveKey(binding, own.signingKey) }];
  const statement = sign(
    { type: 'principal.keys-added', statementId, issuer: by.name, nkeys: [own.publicNkey], channelKeys },
    by.signingKey,
  );
  return { own, statement, done: () => makeAddPrincipalKeys(ports)({ statement }, callOf(by.name)) };
}
const removeKeys = (of: TestPrincipal, by: TestPrincipal) =>
  makeRemovePrincipalKeys(ports)(
    {
      statement: sign(
        {
          type: 'principal.keys-removed',
          issuer: by.name,
          nkeys: [of.publicNkey],
          channelKeys: [of.signingKey.publicKeyText],
        },
        by.signingKey,
      ),
    },
    callOf(by.name),
  );

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  const invitation = makeInvitation(mesh, 'billing', clock);
  await makeCreatePrincipal(ports)({ statement: invitation.statement }, callOf('operator'));
  await makeEnrolPrincipal(ports)({ statement: invitation.complete() }, callOf('billing'));
  billing = invitation.own;
});

const entry = () => ports.state().directory.find('billing');

describe('setPrincipalRoles', () => {
  it('gives and takes by an operator’s signature, with a record of both', async () => {
    await setRoles(['reader'], ['reader', 'writer']);
    expect(entry()?.roles).toEqual(['reader', 'writer']);
    await setRoles(['reader', 'writer'], []);
    expect(entry()?.roles).toEqual([]);
    expect(ports.records('principal.roles-set')).toMatchObject([
      { outcome: 'success', facts: { before: 'reader', roles: 'reader writer' } },
      { outcome: 'success', facts: { before: 'reader writer', roles: '' } },
    ]);
  });

  it('gives nobody a role by its own word, nor by the policy service’s', async () => {
    const mine = { issuer: 'billing' };
    await expectCode(
      setRoles(['reader'], ['operator'], callOf('billing'), mine, billing.signingKey),
      'DENIED',
    );
    await expectCode(
      setRoles(['reader'], ['operator'], callOf('operator'), {}, mesh.bundleKey),
      'STATEMENT_REJECTED',
    );
    expect(entry()?.roles).toEqual(['reader']);
  });

  it('does not undo what another operator did meanwhile', async () => {
    await setRoles(['reader'], []);
    await expectCode(setRoles(['reader'], ['reader', 'auditor']), 'STATEMENT_REJECTED');
    expect(entry()?.roles).toEqual([]);
  });

  it('leaves an operator who can act: one that is disabled does not count', async () => {
    const self = { principal: 'operator' };
    await expectCode(setRoles(['operator'], [], callOf('operator'), self), 'DENIED');
    await setRoles(['reader'], ['operator']);
    await makeDisablePrincipal(ports)({ principal: 'billing', reason: 'spec' }, callOf('operator'));
    await expectCode(setRoles(['operator'], [], callOf('operator'), self), 'DENIED');
  });

  it('cuts who goes to or leaves the feed’s account of the broker', async () => {
    await setRoles(['reader'], ['reader', 'siem']);
    await setRoles(['reader', 'siem'], ['siem']);
    await setRoles(['siem'], []);
    expect(ports.cut).toEqual(['billing', 'billing']);
  });

  it('takes a statement that was made now', async () => {
    const statement = sign({ type: 'principal.roles-set', before: ['reader'], roles: [] });
    clock.advance(11 * MINUTE);
    await expectCode(makeSetPrincipalRoles(ports)({ statement }, callOf('operator')), 'STATEMENT_REJECTED');
  });
});

describe('setPrincipalAttributes', () => {
  const set = (attributes: object, call = callOf('operator')) =>
    makeSetPrincipalAttributes(ports)(
      { statement: sign({ type: 'principal.attributes-set', attributes, issuer: call.principal }) },
      call,
    );

  it('sets them whole, and keeps their values out of the record', async () => {
    await set({ team: 'payments', environment: 'prod' });
    await set({ team: 'billing-team' });
    expect(entry()?.attributes).toEqual({ team: 'billing-team' });
    expect(ports.records('principal.attributes-set')).toMatchObject([
      { facts: { set: 'environment team' } },
      { facts: { set: 'team' } },
    ]);
    expect(JSON.stringify(ports.records('principal.attributes-set'))).not.toContain('payments');
    await expectCode(set({ team: 'x' }, callOf('billing')), 'DENIED');
  });

  it('cuts connections where it names networks: they come back from where they may be', async () => {
    await set({ networks: ['10.0.0.0/8'] });
    await set({ networks: ['10.0.0.0/8'], team: 'payments' });
    expect(ports.cut).toEqual(['billing', 'billing']);
    const ask = (host: string | undefined) => ({
      nkey: billing.publicNkey,
      signature: 'proven',
      nonce: 'n',
      serverId: 's',
      clientId: 1,
      host,
    });
    const judge = (host: string | undefined) =>
      judgeConnection(ask(host), ports.state().directory, { clock, random: () => 0, isProven: () => true });
    expect(judge('10.1.1.1').admitted).toBe(true);
    for (const host of ['11.1.1.1', undefined])
      expect(judge(host)).toEqual({ admitted: false, reason: 'network', principal: 'billing' });
  });
});

describe('keys', () => {
  it('are rotated by their holder, without an operator: added, then the old ones removed with the new', async () => {
    const { own, done } = addKeys();
    await done();
    expect(entry()?.channelKeys).toEqual([billing.signingKey.publicKeyText, own.signingKey.publicKeyText]);
    await removeKeys(billing, own);
    expect(entry()).toMatchObject({
      nkeys: [own.publicNkey],
      channelKeys: [own.signingKey.publicKeyText],
    });
    expect(ports.cut).toEqual([`billing but ${own.publicNkey}`]);
    expect(ports.records('principal.keys-added')).toMatchObject([
      { outcome: 'success', principal: 'billing', resource: { id: 'billing' } },
    ]);
  });

  it('change nothing for the same statement again', async () => {
    const { done } = addKeys();
    const reply = await done();
    expect(await done()).toEqual(reply);
    expect(ports.records('principal.keys-added')).toHaveLength(1);
  });

  it('are changed for others by operators only', async () => {
    const thief = makeTestPrincipal('thief');
    await expectCode(addKeys(thief).done(), 'DENIED');
    const { own, done } = addKeys(mesh.operator);
    await done();
    await removeKeys(billing, mesh.operator);
    expect(entry()?.nkeys).toEqual([own.publicNkey]);
  });

  it('are not changed by who was disabled, by whomever', async () => {
    const { done } = addKeys();
    await makeDisablePrincipal(ports)({ principal: 'billing', reason: 'laptop lost' }, callOf('operator'));
    await expectCode(done(), 'DENIED');
    expect(entry()?.nkeys).toEqual([billing.publicNkey]);
  });

  it('are not changed so often that statements would fill the bundle', async () => {
    let current = billing;
    for (let turn = 0; turn < 8; turn += 1) {
      const { own, done } = addKeys(current);
      await done();
      await removeKeys(current, own);
      current = own;
    }
    await expectCode(addKeys(current).done(), 'STATEMENT_REJECTED');
    clock.advance(DAY + MINUTE);
    await addKeys(current).done();
  });
});

describe('describePrincipal', () => {
  it('tells keys, roles, status, what was taken, and who said what when; after that is recorded', async () => {
    await setRoles(['reader'], ['reader', 'writer']);
    await makeDisablePrincipal(ports)({ principal: 'billing', reason: 'laptop lost' }, callOf('operator'));
    const told = await makeDescribePrincipal(ports)({ principal: 'billing' }, callOf('operator'));
    expect(told).toMatchObject({
      name: 'billing',
      roles: ['reader', 'writer'],
      status: 'disabled',
      nkeys: [billing.publicNkey],
      channelKeys: [billing.signingKey.publicKeyText],
      taken: [{ status: 'disabled', until: null, reason: 'laptop lost' }],
    });
    expect(told.history.map(({ type, issuer }) => [type, issuer])).toEqual([
      ['enrolment.issued', 'operator'],
      ['enrolment.completed', 'billing'],
      ['principal.roles-set', 'operator'],
    ]);
    ports.failWith('AUDIT_UNAVAILABLE');
    await expectCode(
      makeDescribePrincipal(ports)({ principal: 'billing' }, callOf('operator')),
      'AUDIT_UNAVAILABLE',
    );
  });

  it('is for everybody about itself', async () => {
    const told = await makeDescribePrincipal(ports)({ principal: 'billing' }, callOf('billing'));
    expect(told.nkeys).toEqual([billing.publicNkey]);
  });

  it('is not for readers, who learn no name that way', async () => {
    for (const principal of ['operator', 'nobody'])
      await expectCode(makeDescribePrincipal(ports)({ principal }, callOf('billing')), 'DENIED');
  });
});
