import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PolicyRequest, Role } from '@keymesh/contracts';
import { makeSigningKey, type SigningKey } from '@keymesh/kernel';
import { at, codeOf, granted, makeTestClock, makeTestMesh, say, START } from '../test/fixtures.js';
import { BUILT_IN_POLICIES } from './built-in-policies.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

const mesh = makeTestMesh();
const own = makeSigningKey().key;
const second = makeSigningKey().key;
const clock = makeTestClock();
const base = foldStatements(
  mesh.trustRoot,
  [
    ...mesh.genesis,
    granted('oncall', ['break-glass'], own, mesh.operatorKey),
    granted('second', ['security-admin'], second, mesh.operatorKey),
    granted('reader', ['reader'], makeSigningKey().key, mesh.operatorKey),
  ],
  { clock },
);
beforeEach(() => clock.turn(-(clock.now() - START) / 1_000));

const HOUR = 3_600;
function opened(
  from: number,
  lasts = HOUR,
  { by = own, issuer = 'oncall', principal = 'oncall', statementId = randomUUID() } = {},
) {
  const draft = { statementId, principal, issuer, issuedAt: at(from), until: at(from + lasts) };
  return { openingId: statementId, text: say('break-glass.opened', draft, by) };
}
const closed = (openingId: string, seconds: number, by: SigningKey = own, issuer = 'oncall') =>
  say('break-glass.closed', { principal: 'oncall', openingId, issuer, issuedAt: at(seconds) }, by);
const reviewed = (openingId: string, seconds: number, by: SigningKey = second, issuer = 'second') =>
  say(
    'break-glass.reviewed',
    { principal: 'oncall', openingId, issuer, issuedAt: at(seconds), justified: true },
    by,
  );
const rolesSet = (before: Role[], roles: Role[], seconds: number) =>
  say('principal.roles-set', { principal: 'oncall', before, roles, issuedAt: at(seconds) }, mesh.operatorKey);

/** What its holder may, with everything as the directory says now. */
function mayRetrieve(directory: Directory): boolean {
  const engine = makePolicyEngine({ version: 1, policies: [...BUILT_IN_POLICIES] }, directory);
  const request: PolicyRequest = {
    principal: policyPrincipal(directory.find('oncall')!),
    action: 'retrieve',
    resource: { kind: 'credential', id: 'c1', attributes: {} },
    context: {},
  };
  return engine.decide(request).effect === 'permit';
}
const refusal = (directory: Directory, ...texts: string[]) => codeOf(() => directory.extend(texts));

describe('break-glass', () => {
  it('gives nothing until it is opened, and nothing after its end, by the reader’s own clock', () => {
    expect(mayRetrieve(base)).toBe(false);
    const directory = base.extend([opened(0).text]);
    expect(mayRetrieve(directory)).toBe(true);
    expect(directory.find('oncall')?.breakGlassUntil).toBe(at(HOUR));
    clock.turn(HOUR - 1);
    expect(mayRetrieve(directory)).toBe(true);
    clock.turn(1);
    expect(mayRetrieve(directory)).toBe(false);
    expect(directory.find('oncall')?.breakGlassUntil).toBeUndefined();
  });

  it('cannot be claimed in a request while it is closed', () => {
    const engine = makePolicyEngine({ version: 1, policies: [...BUILT_IN_POLICIES] }, base);
    const principal = { ...policyPrincipal(base.find('oncall')!), attributes: { breakGlass: true } };
    const resource = { kind: 'credential' as const, id: 'c1', attributes: {} };
    expect(engine.decide({ principal, action: 'retrieve', resource, context: {} })).toMatchObject({
      effect: 'forbid',
      errors: ['principal: not as in the directory'],
    });
  });

  it('is opened by its holder alone, who has the role at that point', () => {
    expect(refusal(base, opened(0, HOUR, { by: mesh.operatorKey, issuer: 'operator' }).text)).toBe(
      'STATEMENT_REJECTED',
    );
    expect(refusal(base, opened(0, HOUR, { by: mesh.bundleKey }).text)).toBe('STATEMENT_REJECTED');
    expect(refusal(base, opened(0, HOUR, { by: second, issuer: 'second', principal: 'second' }).text)).toBe(
      'STATEMENT_REJECTED',
    );
    expect(refusal(base, rolesSet(['break-glass'], [], 0), opened(1).text)).toBe('STATEMENT_REJECTED');
  });

  it('lasts 240 minutes at most, and not before it was opened', () => {
    expect(refusal(base, opened(0, 240 * 60).text)).toBeUndefined();
    expect(refusal(base, opened(0, 240 * 60 + 1).text)).toBe('STATEMENT_REJECTED');
    expect(refusal(base, opened(0, 0).text)).toBe('STATEMENT_REJECTED');
    // Kept back, to be brought in when it is of use.
    const later = base.extend([opened(24 * HOUR).text]);
    expect(mayRetrieve(later)).toBe(false);
  });

  it('is open once at a time, and four times a day', () => {
    const first = opened(0);
    expect(refusal(base, first.text, opened(10).text)).toBe('STATEMENT_REJECTED');
    const days = [0, 1, 2, 3, 4].map((n) => opened(n * HOUR, HOUR).text);
    expect(refusal(base, ...days.slice(0, 4))).toBeUndefined();
    expect(refusal(base, ...days)).toBe('STATEMENT_REJECTED');
    expect(refusal(base, ...days.slice(0, 4), opened(24 * HOUR).text)).toBeUndefined();
  });

  it.each([
    ['its holder', (id: string) => closed(id, 10)],
    ['an operator', (id: string) => closed(id, 10, mesh.operatorKey, 'operator')],
    ['the loss of the role', () => rolesSet(['break-glass'], [], 10)],
    [
      'being disabled',
      () =>
        say(
          'principal.status-set',
          { principal: 'oncall', status: 'disabled', issuedAt: at(10) },
          mesh.operatorKey,
        ),
    ],
    [
      'being enabled after it was taken away',
      () =>
        say(
          'principal.status-set',
          { principal: 'oncall', status: 'active', issuedAt: at(10) },
          mesh.operatorKey,
        ),
    ],
  ])('ends early by %s, and does not come back', (_, ending) => {
    const { text, openingId } = opened(0);
    const ended = base.extend([text, ending(openingId)]);
    expect(mayRetrieve(ended)).toBe(false);
    expect(ended.openings[0]?.closedAt).toBe(at(10));
    const roles = ended.find('oncall')?.roles ?? [];
    const back = roles.length === 0 ? ended.extend([rolesSet([], ['break-glass'], 20)]) : ended;
    expect(mayRetrieve(back)).toBe(false);
    expect(refusal(back, closed(openingId, 30))).toBe('STATEMENT_REJECTED');
  });

  it('is void while its holder is disabled or locked', () => {
    const directory = base.extend([opened(0).text]);
    for (const status of ['disabled', 'locked'] as const) {
      const taken = [{ principal: 'oncall', status, until: null, reason: 'spec' }];
      expect(mayRetrieve(directory.withTaken(taken))).toBe(false);
    }
  });

  it('is reviewed once, after its end, by somebody else', () => {
    const { text, openingId } = opened(0);
    const directory = base.extend([text]);
    expect(refusal(directory, reviewed(openingId, HOUR - 1))).toBe('STATEMENT_REJECTED');
    expect(refusal(directory, reviewed(randomUUID(), HOUR))).toBe('STATEMENT_REJECTED');
    expect(refusal(directory, reviewed(openingId, HOUR, own, 'oncall'))).toBe('STATEMENT_REJECTED');
    const done = directory.extend([reviewed(openingId, HOUR)]);
    expect(done.openings[0]).toMatchObject({ reviewedBy: 'second', reviewedAt: at(HOUR), justified: true });
    expect(refusal(done, reviewed(openingId, HOUR + 1))).toBe('STATEMENT_REJECTED');
    const early = directory.extend([closed(openingId, 10)]);
    expect(refusal(early, reviewed(openingId, 11))).toBeUndefined();
  });

  it('is not reviewed by an operator who opened it', () => {
    const texts = [rolesSet(['break-glass'], ['break-glass', 'operator'], 0), opened(1).text];
    const directory = base.extend(texts);
    const [opening] = directory.openings;
    expect(refusal(directory, reviewed(opening!.openingId, 2 * HOUR, own, 'oncall'))).toBe(
      'STATEMENT_REJECTED',
    );
  });

  type Step = readonly [kind: 'open' | 'close' | 'disable' | 'enable' | 'ungrant' | 'grant', minutes: number];
  const step = fc.tuple(
    fc.constantFrom<Step[0]>('open', 'open', 'open', 'close', 'disable', 'enable', 'ungrant', 'grant'),
    fc.integer({ min: 1, max: 300 }),
  );
  const status = (of: 'active' | 'disabled', seconds: number) =>
    say('principal.status-set', { principal: 'oncall', status: of, issuedAt: at(seconds) }, mesh.operatorKey);

  it('gives only between an opening and its end, whatever is said in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), fc.integer({ min: 0, max: 60 }), (steps, lookAt) => {
        let directory = base;
        let [now, openUntil, last] = [0, 0, ''];
        for (const [kind, minutes] of steps) {
          now += minutes * 20;
          const opening = opened(now, minutes * 60);
          const text = {
            open: opening.text,
            close: closed(last === '' ? randomUUID() : last, now),
            disable: status('disabled', now),
            enable: status('active', now),
            ungrant: rolesSet(['break-glass'], [], now),
            grant: rolesSet([], ['break-glass'], now),
          }[kind];
          if (refusal(directory, text) !== undefined) continue;
          directory = directory.extend([text]);
          if (kind === 'open') [openUntil, last] = [now + minutes * 60, opening.openingId];
          else if (kind !== 'grant') openUntil = 0;
        }
        clock.turn(now + lookAt * 60 - (clock.now() - START) / 1_000);
        expect(mayRetrieve(directory)).toBe(now + lookAt * 60 < openUntil);
        const days = directory.openings.map(({ openedAt }) => Date.parse(openedAt));
        for (const from of days)
          expect(days.filter((other) => other >= from && other < from + 86_400_000).length).toBeLessThan(5);
      }),
      { numRuns: 150 },
    );
  });
});
