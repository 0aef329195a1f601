import { describe, expect, it } from '@jest/globals';
import type { AuditRecord } from '@keymesh/contracts';
import { failure } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import type { PolicyHolder } from '@keymesh/service-kit';
import { expectCode, makeTestClock } from '@keymesh/testing';
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
    directory: { find: (name: string) => (name === 'stranger' ? undefined : entry(name)) },
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
    policy: { currentPolicy: () => policy },
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
