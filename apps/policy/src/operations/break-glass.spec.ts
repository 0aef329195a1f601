import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Role, Statement } from '@keymesh/contracts';
import { HOUR, MINUTE } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import {
  expectCode,
  makeTestClock,
  makeTestPrincipal,
  type TestClock,
  type TestPrincipal,
} from '@keymesh/testing';
import { makeFakePorts, type FakePorts } from '../../test/support/fake-ports.js';
import { callOf, grant, makeBookMesh, type BookMesh } from '../../test/support/invitations.js';
import { makeCloseBreakGlass } from './close-break-glass.js';
import { makeListBreakGlass } from './list-break-glass.js';
import { makeOpenBreakGlass } from './open-break-glass.js';
import { makeReviewBreakGlass } from './review-break-glass.js';

let clock: TestClock;
let mesh: BookMesh;
let ports: FakePorts;
let oncall: TestPrincipal;
let clerk: TestPrincipal;

const sign = (statement: object, by: TestPrincipal): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: new Date(clock.now()).toISOString(),
      issuer: by.name,
      principal: 'oncall',
      ...statement,
    } as Statement,
    by.signingKey,
  );
const open = (by = oncall, over: object = {}) => {
  const until = new Date(clock.now() + HOUR).toISOString();
  const said = { type: 'break-glass.opened', principal: by.name, until, ...over };
  return makeOpenBreakGlass(ports)(
    { statement: sign(said, by), reason: 'the invoice run stands still' },
    callOf(by.name),
  );
};
const close = (openingId: string, by: TestPrincipal) =>
  makeCloseBreakGlass(ports)(
    { statement: sign({ type: 'break-glass.closed', openingId }, by) },
    callOf(by.name),
  );
const review = (openingId: string, by: TestPrincipal, justified = true) =>
  makeReviewBreakGlass(ports)(
    {
      statement: sign({ type: 'break-glass.reviewed', openingId, justified }, by),
      finding: 'one credential read, as said',
    },
    callOf(by.name),
  );
const list = async (name: string) => (await makeListBreakGlass(ports)({}, callOf(name))).openings;

beforeEach(async () => {
  clock = makeTestClock();
  mesh = makeBookMesh(clock);
  ports = makeFakePorts(mesh, clock);
  const held: Role[] = ['break-glass'];
  oncall = makeTestPrincipal('oncall', held);
  clerk = makeTestPrincipal('clerk', ['reader']);
  const statements = [oncall, clerk].map((who) => grant(mesh.trustRoot.meshId, who, mesh.operator, clock));
  await ports.book.change({ principal: 'operator', requestId: randomUUID() }, () => ({
    change: { statements },
    records: [],
    reply: () => null,
  }));
});

describe('break-glass', () => {
  it('is open with the next bundle, recorded, with the reason beside the record and never in it', async () => {
    const { openingId, until } = await open();
    expect(ports.state().directory.find('oncall')?.breakGlassUntil).toBe(until);
    const entry = ports.entries.find(({ record }) => record.type === 'break-glass.opened');
    expect(entry).toMatchObject({
      record: {
        principal: 'oncall',
        resource: { kind: 'principal', id: 'oncall' },
        facts: { openingId, until },
      },
      beside: { reason: 'the invoice run stands still' },
    });
    expect(JSON.stringify(entry?.record)).not.toContain('invoice');
    expect(ports.state().directory.statements.at(-1)).not.toContain('invoice');
  });

  it('is denied without the role, and the attempt is recorded', async () => {
    await expectCode(open(clerk), 'DENIED');
    expect(ports.records('break-glass.opened')).toMatchObject([{ outcome: 'denied', principal: 'clerk' }]);
  });

  it('is opened for nobody else, by nobody’s old word, and not for days', async () => {
    await expectCode(open(clerk, { principal: 'oncall' }), 'DENIED');
    const old = new Date(clock.now() - HOUR).toISOString();
    await expectCode(open(oncall, { issuedAt: old }), 'STATEMENT_REJECTED');
    const until = new Date(clock.now() + 5 * HOUR).toISOString();
    await expectCode(open(oncall, { until }), 'STATEMENT_REJECTED');
  });

  it('is closed by its holder or an operator, not by others', async () => {
    const { openingId } = await open();
    await expectCode(close(openingId, clerk), 'DENIED');
    await close(openingId, mesh.operator);
    expect(ports.state().directory.find('oncall')?.breakGlassUntil).toBeUndefined();
    expect(ports.records('break-glass.closed').at(-1)).toMatchObject({
      principal: 'operator',
      decision: { effect: 'permit' },
      facts: { openingId },
    });
    clock.advance(MINUTE);
    const again = await open();
    await close(again.openingId, oncall);
    expect((await list('oncall')).map(({ closedBy }) => closedBy)).toEqual(['oncall', 'operator']);
  });

  it('is reviewed by somebody else after its end, with what was found', async () => {
    const { openingId } = await open();
    await expectCode(review(openingId, mesh.operator), 'STATEMENT_REJECTED');
    expect(ports.records('break-glass.reviewed')).toMatchObject([
      { outcome: 'failure', code: 'STATEMENT_REJECTED', decision: { effect: 'permit' } },
    ]);
    clock.advance(HOUR);
    expect(await list('operator')).toMatchObject([{ openingId, status: 'unreviewed', finding: null }]);
    await expectCode(review(openingId, clerk), 'DENIED');
    await expectCode(review(openingId, oncall), 'DENIED');
    await review(openingId, mesh.operator, false);
    expect(await list('operator')).toMatchObject([
      {
        status: 'reviewed',
        reviewedBy: 'operator',
        justified: false,
        reason: 'the invoice run stands still',
        finding: 'one credential read, as said',
      },
    ]);
    expect(ports.records('break-glass.reviewed').at(-1)).toMatchObject({
      outcome: 'success',
      facts: { openingId, justified: false },
    });
  });

  it('is listed to its holder and to who reviews it', async () => {
    await open();
    expect(await list('oncall')).toMatchObject([{ principal: 'oncall', status: 'open' }]);
    expect(await list('operator')).toHaveLength(1);
    expect(await list('clerk')).toEqual([]);
  });
});
