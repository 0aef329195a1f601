import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Statement } from '@keymesh/contracts';
import { MINUTE, type SigningKey } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, makeBookMesh, makeInvitation, type BookMesh } from '../../test/support/invitations.js';
import { makeCreatePrincipal } from './create-principal.js';
import { makeDescribeCredentialPolicy } from './describe-credential-policy.js';
import { makeEnrolPrincipal } from './enrol-principal.js';
import { makeSetCredentialPolicy } from './set-credential-policy.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
const STRICT = '{"defaults":{"minLengthChars":20}}';
const LAX = '{"defaults":{"minLengthChars":8}}';

interface Said {
  readonly over?: object;
  readonly by?: SigningKey;
  readonly call?: ReturnType<typeof callOf>;
}
function said(document: string | null, basedOn: string | null, { over = {}, by }: Said = {}) {
  const statementId = randomUUID();
  const statement = {
    ...{ v: 1, meshId: mesh.trustRoot.meshId, statementId, issuedAt: new Date(clock.now()).toISOString() },
    ...{ issuer: 'operator', type: 'credential-policy.set', document, basedOn, ...over },
  } as Statement;
  return { statementId, statement: signStatement(statement, by ?? mesh.operator.signingKey) };
}
async function write(document: string | null, basedOn: string | null, options: Said = {}): Promise<string> {
  const { statement, statementId } = said(document, basedOn, options);
  await makeSetCredentialPolicy(ports)({ statement }, options.call ?? callOf('operator'));
  return statementId;
}
const described = (call = callOf('operator')) => makeDescribeCredentialPolicy(ports)({}, call);
const inForce = () => ports.state().directory.credentialPolicy?.document;

beforeEach(() => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
});

describe('the credential policy', () => {
  it('is written, changed and taken back, and every word of it can be read again', async () => {
    const first = await write(STRICT, null);
    const second = await write(LAX, first);
    expect(inForce()).toBe(LAX);
    await write(null, second);
    expect(inForce()).toBeUndefined();
    const { inForce: none, history, earlier } = await described();
    expect([none, earlier]).toEqual([null, 0]);
    expect(history.map(({ document, setBy }) => [document, setBy])).toEqual([
      [null, 'operator'],
      [LAX, 'operator'],
      [STRICT, 'operator'],
    ]);
  });

  it('is recorded with its hash and the decision, and never with its text', async () => {
    const statementId = await write(STRICT, null);
    const [record] = ports.records('credential-policy.set');
    expect(record).toMatchObject({
      outcome: 'success',
      resource: { kind: 'policy', id: 'credential-policy' },
      decision: { effect: 'permit', request: { action: 'policy.write' } },
      facts: { statementId, textHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(JSON.stringify(record)).not.toContain('minLengthChars');
    await described();
    expect(ports.records('credential-policy.described')).toHaveLength(1);
  });

  it('is not taken where the vault could not read it, and says what is wrong', async () => {
    for (const document of ['[]', '{"defaults":{"minLenghtChars":20}}', '{"types":{"certificate":{}}}'])
      await expectCode(write(document, null), 'POLICY_INVALID');
    expect(inForce()).toBeUndefined();
    expect(ports.records('credential-policy.set').map(({ outcome, code }) => [outcome, code])).toEqual(
      Array.from({ length: 3 }, () => ['failure', 'POLICY_INVALID']),
    );
  });

  it('is not changed under somebody who saw another one', async () => {
    const first = await write(STRICT, null);
    await expectCode(write(LAX, null), 'STATEMENT_REJECTED');
    await write(LAX, first);
    await expectCode(write(STRICT, first), 'STATEMENT_REJECTED');
  });

  it('is answered the same when the request is repeated', async () => {
    const { statement } = said(STRICT, null);
    const set = makeSetCredentialPolicy(ports);
    const first = await set({ statement }, callOf('operator'));
    const again = await set({ statement }, callOf('operator'));
    expect(again).toMatchObject({ statementId: first.statementId, state: 'in-force' });
    expect(ports.records('credential-policy.set')).toHaveLength(1);
  });

  it('is written now, in the caller’s own name, with a key that signs for it', async () => {
    const issuedAt = new Date(clock.now() - 11 * MINUTE).toISOString();
    await expectCode(write(STRICT, null, { over: { issuedAt } }), 'STATEMENT_REJECTED');
    await expectCode(write(STRICT, null, { call: callOf('_anomaly-detector') }), 'STATEMENT_REJECTED');
    await expectCode(write(STRICT, null, { by: mesh.bundleKey }), 'STATEMENT_REJECTED');
  });

  it.each([
    ['security-admin', 'writes'],
    ['auditor', 'reads'],
    ['writer', 'neither'],
    ['reader', 'neither'],
  ] as const)('%s: %s', async (role, may) => {
    const invitation = makeInvitation(mesh, 'somebody', clock, { roles: [role] });
    await makeCreatePrincipal(ports)({ statement: invitation.statement }, callOf('operator'));
    await makeEnrolPrincipal(ports)({ statement: invitation.complete() }, callOf('somebody'));
    const call = callOf('somebody');
    const writing = write(STRICT, null, {
      over: { issuer: 'somebody' },
      by: invitation.own.signingKey,
      call,
    });
    if (may === 'writes') await writing;
    else await expectCode(writing, 'DENIED');
    if (may === 'neither') await expectCode(described(call), 'DENIED');
    else expect((await described(call)).inForce?.document).toBe(may === 'writes' ? STRICT : undefined);
  });
});
