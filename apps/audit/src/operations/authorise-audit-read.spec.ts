import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  failure,
  toPublicError,
  type ApprovableRequest,
  type AuditRecord,
  type Statement,
} from '@keymesh/contracts';
import { HOUR } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import {
  BUILT_IN_POLICIES,
  foldStatements,
  makePolicyEngine,
  signApproval,
  signStatement,
} from '@keymesh/policy-engine';
import { makeAskPolicy, makePolicyPort, type PolicyHolder } from '@keymesh/service-kit';
import { expectCode, makeTestClock, makeTestPrincipal, type TestPrincipal } from '@keymesh/testing';
import { makeAuthoriseAuditRead } from './authorise-audit-read.js';

type CurrentPolicy = ReturnType<PolicyHolder['currentPolicy']>;
const callOf = (principal: string, sessionId = 's1'): Call => ({
  principal,
  sessionId,
  requestId: 'r',
  deadlineAt: 0,
  traceparent: undefined,
  channel: 'encrypted',
});

function setUp() {
  const clock = makeTestClock();
  const recorded: AuditRecord[] = [];
  const journal = { isUp: true };
  const entry = (name: string) => ({ name, kind: 'service', roles: ['auditor'], attributes: {} });
  const policy = {
    directory: {
      approvals: [],
      find: (name: string) => (name === 'stranger' ? undefined : entry(name)),
    },
    engine: {
      decide: ({ principal, action }: { principal: { name: string }; action: string }) => ({
        effect: [`auditor audit.read`, `author policy.read`].includes(`${principal.name} ${action}`)
          ? 'permit'
          : 'forbid',
        bundleVersion: 3,
        determiningPolicies: [],
        errors: [],
      }),
    },
  } as unknown as CurrentPolicy;
  const guard = makeAuthoriseAuditRead({
    askPolicy: makeAskPolicy(makePolicyPort({ currentPolicy: () => policy }, clock)),
    clock,
    instance: 'audit-1',
    logger: { warn: () => undefined } as never,
    journal: {
      record: (record) => {
        if (!journal.isUp) return Promise.reject(failure('AUDIT_UNAVAILABLE'));
        recorded.push(record);
        return Promise.resolve();
      },
    },
  });
  return { clock, recorded, journal, ...guard };
}

describe('authoriseAuditRead', () => {
  it('records reads once a session and minute, with a count that adds up', async () => {
    const { clock, recorded, authorise, flush } = setUp();
    const read = () => authorise('listAuditEvents', callOf('auditor'));
    for (let n = 0; n < 5; n += 1) await read();
    expect(recorded.map(({ facts }) => facts?.reads)).toEqual([1]);
    clock.advance(61_000);
    await flush();
    await read(); // within the minute that the flush began
    expect(recorded.map(({ facts }) => facts?.reads)).toEqual([1, 4]);
    await flush(true);
    expect(recorded.map(({ facts }) => facts?.reads)).toEqual([1, 4, 1]);
    expect(recorded[0]).toMatchObject({
      type: 'audit.read',
      outcome: 'success',
      principal: 'auditor',
      session: 's1',
    });
  });

  it('keeps sessions apart', async () => {
    const { recorded, authorise } = setUp();
    await authorise('getCheckpoint', callOf('auditor', 's1'));
    await authorise('getCheckpoint', callOf('auditor', 's2'));
    expect(recorded.map(({ session }) => session)).toEqual(['s1', 's2']);
  });

  it('denies and records who may not, each time', async () => {
    const { recorded, authorise } = setUp();
    await expectCode(authorise('getCheckpoint', callOf('billing')), 'DENIED');
    await expectCode(authorise('getCheckpoint', callOf('billing')), 'DENIED');
    expect(recorded).toMatchObject([{ outcome: 'denied', code: 'DENIED' }, { outcome: 'denied' }]);
  });

  it('lets in whoever may do any of what is enough, and says which', async () => {
    const { recorded, authorise } = setUp();
    const enough = ['audit.read', 'policy.read'] as const;
    expect(await authorise('listDecisions', callOf('auditor'), enough)).toBe('audit.read');
    expect(await authorise('listDecisions', callOf('author'), enough)).toBe('policy.read');
    await expectCode(authorise('listAuditEvents', callOf('author')), 'DENIED');
    await expectCode(authorise('listDecisions', callOf('billing'), enough), 'DENIED');
    expect(recorded.map(({ outcome, decision }) => [outcome, decision?.request.action])).toEqual([
      ['success', 'audit.read'],
      ['success', 'policy.read'],
      ['denied', 'audit.read'],
      ['denied', 'audit.read'],
    ]);
  });

  it('denies whom the directory does not know', async () => {
    await expectCode(setUp().authorise('getCheckpoint', callOf('stranger')), 'DENIED');
  });

  it('lets an auditor look while the journal is ill, and records it when it is well', async () => {
    const { clock, recorded, journal, authorise, flush } = setUp();
    journal.isUp = false;
    await authorise('listAuditEvents', callOf('auditor'));
    expect(recorded).toEqual([]);
    journal.isUp = true;
    clock.advance(61_000);
    await flush();
    expect(recorded.map(({ facts }) => facts?.reads)).toEqual([1]);
  });
});

describe('a read of the log that needs an approval', () => {
  const operator = makeTestPrincipal('operator', ['operator'], 'operator');
  const guard = makeTestPrincipal('guard', ['security-admin']);
  const others = ['auditor', 'second'].map((name) => makeTestPrincipal(name, ['auditor']));
  const meshId = 'test-mesh';
  const FOUR_EYES = `forbid(principal, action == Keymesh::Action::"audit.read", resource)
    unless { context has approvals && context.approvals >= 1 };`;

  function setUpApprovals() {
    const { clock, ...rest } = setUp();
    const sign = (said: object) =>
      signStatement(
        {
          ...{ v: 1, meshId, statementId: randomUUID(), issuer: 'operator' },
          ...{ issuedAt: new Date(clock.now()).toISOString(), ...said },
        } as Statement,
        operator.signingKey,
      );
    const granted = ({ name, kind, roles, publicNkey: nkey, signingKey }: TestPrincipal) =>
      sign({
        ...{ type: 'principal.granted', principal: name, kind, roles, nkey },
        channelKey: signingKey.publicKeyText,
      });
    const keyNamed = (name: string) => makeTestPrincipal(name).signingKey.publicKeyText;
    let directory = foldStatements(
      {
        ...{ v: 1, meshId, meshPublicKey: keyNamed('mesh'), bundlePublicKey: keyNamed('bundle') },
        operators: [{ name: 'operator', channelKey: operator.signingKey.publicKeyText }],
      },
      [
        ...[operator, guard, ...others].map(granted),
        sign({ type: 'policy.set', policyId: 'eyes', cedar: FOUR_EYES, twoPerson: false, basedOn: null }),
      ],
      { clock },
    );
    const currentPolicy = () => ({
      ...{ version: 1, directory },
      engine: makePolicyEngine({ version: 1, policies: [...BUILT_IN_POLICIES] }, directory),
    });
    const recorded: AuditRecord[] = [];
    const { authorise } = makeAuthoriseAuditRead({
      askPolicy: makeAskPolicy(makePolicyPort({ currentPolicy }, clock)),
      clock,
      instance: 'audit-1',
      logger: { warn: () => undefined } as never,
      journal: { record: (record) => Promise.resolve(void recorded.push(record)) },
    });
    const approve = (request: ApprovableRequest): void => {
      const approval = signApproval(
        {
          ...{ v: 1, meshId, approvalId: randomUUID(), request, approver: 'guard' },
          issuedAt: new Date(clock.now()).toISOString(),
          expiresAt: new Date(clock.now() + HOUR).toISOString(),
        },
        guard.signingKey,
      );
      directory = directory.withApprovals([approval]);
    };
    return { ...rest, clock, recorded, authorise, approve };
  }

  it('is refused and says so, and is given to exactly who was approved, as long as that lasts', async () => {
    const { clock, recorded, authorise, approve } = setUpApprovals();
    const read = (by = 'auditor') => authorise('listAuditEvents', callOf(by));
    const { approvals } = toPublicError(await expectCode(read(), 'APPROVAL_REQUIRED'));
    expect(approvals).toMatchObject({
      ...{ needed: 1, given: 0 },
      request: { principal: 'auditor', action: 'audit.read', resource: { kind: 'audit-log', id: 'ledger' } },
    });
    approve(approvals!.request!);
    expect(await read()).toBe('audit.read');
    expect(await authorise('findDecision', callOf('auditor'))).toBe('audit.read');
    await expectCode(read('second'), 'APPROVAL_REQUIRED');
    expect(recorded.map(({ outcome }) => outcome)).toEqual(['denied', 'success', 'denied']);
    expect(recorded[1]).toMatchObject({
      ...{ facts: { approvers: 'guard' }, decision: { request: { context: { approvals: 1 } } } },
    });
    clock.advance(HOUR);
    await expectCode(read(), 'APPROVAL_REQUIRED');
  });

  it('is not given by an approval of something else', async () => {
    const { authorise, approve } = setUpApprovals();
    approve({
      ...{ principal: 'auditor', action: 'policy.read', resource: { kind: 'audit-log', id: 'ledger' } },
    });
    await expectCode(authorise('listAuditEvents', callOf('auditor')), 'APPROVAL_REQUIRED');
  });
});
