import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeSigningKey } from '@keymesh/kernel';
import type { Role } from '@keymesh/contracts';
import {
  at,
  codeOf,
  granted,
  invite,
  makeTestClock,
  makeTestMesh,
  nkeyNamed,
  say,
} from '../test/fixtures.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';

const mesh = makeTestMesh();
const { trustRoot, operatorKey, genesis } = mesh;
const fold = (...texts: readonly string[]): Directory =>
  foldStatements(trustRoot, [...genesis, ...texts], { clock: makeTestClock() });
const refusal = (...texts: readonly string[]): string | undefined => codeOf(() => fold(...texts));
const secondOperator = makeSigningKey().key;
const statusSet = (
  principal: string,
  status: 'active' | 'disabled',
  seconds = 0,
  by = operatorKey,
  issuer = 'operator',
) => say('principal.status-set', { principal, status, issuedAt: at(seconds), issuer }, by);

describe('folding statements', () => {
  it('makes an invited principal active with the keys that the token signed', () => {
    const invitation = invite(mesh, 'billing', ['reader', 'auditor']);
    const invited = fold(invitation.statement);
    expect(invited.find('billing')).toMatchObject({ status: 'invited', nkeys: [], channelKeys: [] });
    const active = invited.extend([invitation.complete()]);
    expect(active.find('billing')).toEqual({
      name: 'billing',
      kind: 'service',
      roles: ['reader', 'auditor'],
      nkeys: [invitation.keys.nkey],
      channelKeys: [invitation.keys.channel.publicKeyText],
      attributes: {},
      status: 'active',
      lockedUntil: null,
      createdAt: at(0),
    });
    expect(active.findByNkey(invitation.keys.nkey)?.name).toBe('billing');
    expect(active.isChannelKeyOf('billing', invitation.keys.channel.publicKeyText)).toBe(true);
    expect(active.enrolmentOf('billing')).toBeUndefined();
    expect(invited.find('billing')?.status).toBe('invited');
  });

  it('gives the same directory whether folded at once or in steps', () => {
    const [a, b] = [invite(mesh, 'a'), invite(mesh, 'b')];
    const texts = [a.statement, b.statement, b.complete(), statusSet('b', 'disabled'), a.complete()];
    const stepwise = texts.reduce((directory, text) => directory.extend([text]), fold());
    expect(stepwise.list()).toEqual(fold(...texts).list());
    expect(stepwise.statements).toEqual(fold(...texts).statements);
  });

  it.each([
    ['of another mesh', () => [invite(mesh, 'x', ['reader'], { meshId: 'another' }).statement]],
    ['by a key that nobody knows', () => [invite(mesh, 'x', ['reader'], {}, makeSigningKey().key).statement]],
    [
      'by an operator under the name of another',
      () => [
        granted('second', ['operator'], secondOperator, operatorKey),
        invite(mesh, 'x', ['reader'], { issuer: 'operator' }, secondOperator).statement,
      ],
    ],
    [
      'by an operator that is named only later',
      () => [
        invite(mesh, 'x', ['reader'], { issuer: 'second' }, secondOperator).statement,
        granted('second', ['operator'], secondOperator, operatorKey),
      ],
    ],
    [
      'by an operator that was disabled before',
      () => [
        granted('second', ['operator'], secondOperator, operatorKey),
        statusSet('second', 'disabled'),
        invite(mesh, 'x', ['reader'], { issuer: 'second' }, secondOperator).statement,
      ],
    ],
    [
      'by a principal that is no operator',
      () => {
        const writer = invite(mesh, 'writer', ['writer']);
        return [
          writer.statement,
          writer.complete(),
          invite(mesh, 'x', ['reader'], { issuer: 'writer' }, writer.keys.channel).statement,
        ];
      },
    ],
    [
      'that was already made',
      () => {
        const { statement } = invite(mesh, 'x');
        return [statement, statement];
      },
    ],
    ['that takes an existing name', () => [invite(mesh, 'operator').statement]],
    [
      'that makes a client one of the mesh',
      () => [invite(mesh, 'x', ['reader'], { kind: 'system' }).statement],
    ],
    [
      'that gives a client the role locker',
      () => [granted('x', ['locker'], makeSigningKey().key, operatorKey)],
    ],
    [
      'that makes a service of the mesh an operator',
      () => [granted('_x', ['operator'], makeSigningKey().key, operatorKey)],
    ],
    [
      'whose id is not its token’s',
      () => [invite(mesh, 'x', ['reader'], { statementId: randomUUID() }).statement],
    ],
    ['that ends before it begins', () => [invite(mesh, 'x', ['reader'], { expiresAt: at(-1) }).statement]],
    ['that disables the last operator', () => [statusSet('operator', 'disabled')]],
    ['that names a known key', () => [granted('x', ['reader'], operatorKey, operatorKey)]],
    ['about nobody', () => [statusSet('nobody', 'disabled')]],
    [
      'older than what an operator said of the same principal',
      () => {
        const x = invite(mesh, 'x');
        return [x.statement, x.complete(), statusSet('x', 'disabled', 20), statusSet('x', 'active', 10)];
      },
    ],
  ])('refuses a statement %s', (_what, texts) => {
    expect(refusal(...texts())).toBe('STATEMENT_REJECTED');
  });

  it.each([
    [
      'by another key than the token',
      (i: ReturnType<typeof invite>) => [i.complete({}, makeSigningKey().key)],
    ],
    ["by an operator's key", (i: ReturnType<typeof invite>) => [i.complete({}, operatorKey)]],
    [
      'for another name',
      (i: ReturnType<typeof invite>) => [i.complete({ principal: 'other', issuer: 'other' })],
    ],
    ['after it expired', (i: ReturnType<typeof invite>) => [i.complete({ issuedAt: at(3_601) })]],
    [
      'twice, with other keys',
      (i: ReturnType<typeof invite>) => [
        i.complete(),
        i.complete({ nkey: nkeyNamed('thief'), channelKey: makeSigningKey().key.publicKeyText }),
      ],
    ],
    [
      'with the key of someone else',
      (i: ReturnType<typeof invite>) => [i.complete({ nkey: nkeyNamed('operator') })],
    ],
    [
      'of another enrolment',
      (i: ReturnType<typeof invite>) => [i.complete({ enrolment: invite(mesh, 'y').enrolmentId })],
    ],
  ])('refuses an enrolment completed %s', (_what, texts) => {
    const invitation = invite(mesh, 'x');
    expect(refusal(invitation.statement, ...texts(invitation))).toBe('STATEMENT_REJECTED');
  });

  it('ends an older token when the same name is invited again', () => {
    const [first, second] = [invite(mesh, 'x', ['writer']), invite(mesh, 'x', ['reader'])];
    expect(refusal(first.statement, second.statement, first.complete())).toBe('STATEMENT_REJECTED');
    expect(fold(first.statement, second.statement, second.complete()).find('x')?.roles).toEqual(['reader']);
  });

  it('leaves the directory as it was when a statement is refused', () => {
    const before = fold();
    const list = before.list();
    const mine = invite(mesh, 'x');
    expect(codeOf(() => before.extend([mine.statement, mine.statement]))).toBe('STATEMENT_REJECTED');
    expect(before.list()).toEqual(list);
    expect(before.extend([mine.statement]).find('x')?.status).toBe('invited');
  });

  it('grants in no order of statements what operators did not sign', () => {
    const people = ['a', 'b', 'c'].map((name, index) =>
      invite(mesh, name, [(['reader', 'writer', 'auditor'] as Role[])[index]!]),
    );
    const forged = invite(mesh, 'mallory', ['operator'], {}, makeSigningKey().key);
    const foreign = invite(mesh, 'mallory', ['operator'], { meshId: 'another' });
    const stolen = people.map((person) =>
      person.complete(
        { nkey: nkeyNamed('thief'), channelKey: makeSigningKey().key.publicKeyText },
        makeSigningKey().key,
      ),
    );
    const honest = people.flatMap((person) => [person.statement, person.complete()]);
    const signed = fold(...honest);
    const all = [...honest, ...stolen, forged.statement, forged.complete(), foreign.statement];
    fc.assert(
      fc.property(fc.shuffledSubarray(all), (texts) => {
        let directory = fold();
        for (const text of texts) {
          try {
            directory = directory.extend([text]);
          } catch {
            // A refused statement is left out; what remains must still be only what was signed.
          }
        }
        for (const entry of directory.list().filter(({ status }) => status === 'active'))
          expect(entry).toEqual(signed.find(entry.name));
        expect(directory.find('mallory')).toBeUndefined();
      }),
    );
  });
});

describe('what is taken away', () => {
  const invitation = invite(mesh, 'billing');
  const active = (clock = makeTestClock()) =>
    foldStatements(trustRoot, [...genesis, invitation.statement, invitation.complete()], { clock });
  const taken = (status: 'locked' | 'disabled', until: string | null) => [
    { principal: 'billing', status, until, reason: 'test' },
  ];

  it('ends by itself at its time', () => {
    const clock = makeTestClock();
    const directory = active(clock).withTaken(taken('locked', at(60)));
    expect(directory.find('billing')).toMatchObject({ status: 'locked', lockedUntil: at(60) });
    clock.turn(60);
    expect(directory.find('billing')).toMatchObject({ status: 'active', lockedUntil: null });
  });

  it('takes the channel key of a disabled principal, and leaves that of a locked one to its caller', () => {
    const key = invitation.keys.channel.publicKeyText;
    expect(active().withTaken(taken('disabled', null)).isChannelKeyOf('billing', key)).toBe(false);
    expect(active().withTaken(taken('locked', null)).isChannelKeyOf('billing', key)).toBe(true);
  });

  it('can only take: no list of takings makes anyone active who was not', () => {
    const takings = fc.array(
      fc.record({
        principal: fc.constantFrom('billing', 'off', 'guest', 'nobody', 'operator'),
        status: fc.constantFrom('locked' as const, 'disabled' as const),
        until: fc.constantFrom(null, at(-5), at(60)),
        reason: fc.string(),
      }),
    );
    const [off, guest] = [invite(mesh, 'off'), invite(mesh, 'guest')];
    const before = active().extend([
      off.statement,
      off.complete(),
      statusSet('off', 'disabled'),
      guest.statement,
    ]);
    const isActive = (directory: Directory) =>
      directory
        .list()
        .filter(({ status }) => status === 'active')
        .map(({ name }) => name);
    fc.assert(
      fc.property(takings, (list) => {
        for (const name of isActive(before.withTaken(list))) expect(isActive(before)).toContain(name);
      }),
    );
  });

  it('closes an enrolment when it expires', () => {
    const clock = makeTestClock();
    const { statement, enrolmentId } = invite(mesh, 'late');
    const directory = foldStatements(trustRoot, [...genesis, statement], { clock });
    const tokenNkey = nkeyNamed(`token ${enrolmentId}`);
    expect(directory.findEnrolment(tokenNkey)?.principal).toBe('late');
    clock.turn(3_601);
    expect(directory.findEnrolment(tokenNkey)).toBeUndefined();
  });

  it('closes an invitation whose principal was disabled', () => {
    const { statement, enrolmentId } = invite(mesh, 'guest');
    const invited = foldStatements(trustRoot, [...genesis, statement], { clock: makeTestClock() });
    const taken = invited.withTaken([
      { principal: 'guest', status: 'disabled', until: null, reason: 'test' },
    ]);
    expect(invited.findEnrolment(nkeyNamed(`token ${enrolmentId}`))?.principal).toBe('guest');
    expect(taken.findEnrolment(nkeyNamed(`token ${enrolmentId}`))).toBeUndefined();
    expect(taken.find('guest')?.status).toBe('disabled');
  });
});
