import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeSigningKey, type SigningKey } from '@keymesh/kernel';
import { at, codeOf, granted, invite, makeTestClock, makeTestMesh, say } from '../test/fixtures.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { policyVersions } from './policy-versions.js';

const mesh = makeTestMesh();
const keys: Readonly<Record<string, SigningKey>> = {
  operator: mesh.operatorKey,
  second: makeSigningKey().key,
};
const key = (who: string): SigningKey => keys[who] ?? makeSigningKey().key;
const guard = invite(mesh, 'guard', ['security-admin']);
const reader = invite(mesh, 'reader', ['reader']);
const start = foldStatements(
  mesh.trustRoot,
  [
    ...mesh.genesis,
    granted('second', ['operator'], key('second'), mesh.operatorKey),
    ...[guard, reader].flatMap((person) => [person.statement, person.complete()]),
  ],
  { clock: makeTestClock() },
);
const CEDAR = 'permit(principal, action, resource);';
const OTHER = 'forbid(principal, action, resource);';

interface Setting {
  readonly by?: string;
  readonly cedar?: string | null;
  readonly twoPerson?: boolean;
  readonly basedOn?: string | null;
  readonly seconds?: number;
}
const set = ({
  by = 'operator',
  cedar = CEDAR,
  twoPerson = false,
  basedOn = null,
  seconds = 100,
}: Setting = {}) => {
  const statementId = randomUUID();
  const draft = {
    statementId,
    policyId: 'prod',
    cedar,
    twoPerson,
    basedOn,
    issuer: by,
    issuedAt: at(seconds),
  };
  return { statementId, text: say('policy.set', draft, by === 'guard' ? guard.keys.channel : key(by)) };
};
const confirm = (change: string, by = 'second', seconds = 100) =>
  say(
    'policy.confirmed',
    { policyId: 'prod', change, issuer: by, issuedAt: at(seconds) },
    by === 'guard' ? guard.keys.channel : key(by),
  );
const refusal = (directory: Directory, text: string) => codeOf(() => directory.extend([text]));
const inForce = (directory: Directory) => directory.policies[0];

describe('policies that operators write', () => {
  it('are in force at once, change, and go', () => {
    const first = set();
    const written = start.extend([first.text]);
    expect(inForce(written)).toMatchObject({
      policyId: 'prod',
      cedar: CEDAR,
      setBy: 'operator',
      confirmedBy: null,
    });
    const second = set({ by: 'guard', cedar: OTHER, basedOn: first.statementId });
    const changed = written.extend([second.text]);
    expect(inForce(changed)).toMatchObject({ cedar: OTHER, setBy: 'guard' });
    const removed = changed.extend([set({ cedar: null, basedOn: second.statementId }).text]);
    expect(removed.policies).toEqual([]);
    expect(policyVersions(removed, 'prod').map(({ state }) => state)).toEqual([
      'replaced',
      'replaced',
      'replaced',
    ]);
  });

  it('are by who writes policies alone, and of what its signer saw', () => {
    const forged = say(
      'policy.set',
      { policyId: 'prod', cedar: CEDAR, twoPerson: false, basedOn: null, issuer: 'reader' },
      reader.keys.channel,
    );
    expect(refusal(start, forged)).toBe('STATEMENT_REJECTED');
    expect(refusal(start, set({ by: 'nobody' }).text)).toBe('STATEMENT_REJECTED');
    expect(refusal(start, set({ cedar: null }).text)).toBe('STATEMENT_REJECTED');
    const written = start.extend([set().text]);
    expect(refusal(written, set().text)).toBe('STATEMENT_REJECTED');
    expect(refusal(written, set({ basedOn: randomUUID() }).text)).toBe('STATEMENT_REJECTED');
  });

  it('that take two persons wait for the second, who is another', () => {
    const marked = set({ twoPerson: true });
    const waiting = start.extend([marked.text]);
    expect(waiting.policies).toEqual([]);
    expect(waiting.pendingPolicies).toMatchObject([{ policyId: 'prod', setBy: 'operator' }]);
    expect(refusal(waiting, confirm(marked.statementId, 'operator'))).toBe('STATEMENT_REJECTED');
    expect(refusal(waiting, confirm(randomUUID()))).toBe('STATEMENT_REJECTED');
    const written = waiting.extend([confirm(marked.statementId)]);
    expect(inForce(written)).toMatchObject({ twoPerson: true, confirmedBy: 'second' });
    expect(refusal(written, confirm(marked.statementId))).toBe('STATEMENT_REJECTED');

    // Neither a change nor taking the mark away is one person's doing.
    for (const change of [{ cedar: OTHER }, { cedar: null }, { twoPerson: false }]) {
      const hasty = set({ ...change, basedOn: marked.statementId });
      const after = written.extend([hasty.text]);
      expect(inForce(after)).toEqual(inForce(written));
      expect(after.pendingPolicies).toHaveLength(1);
      const agreed = after.extend([confirm(hasty.statementId, 'guard')]);
      expect(inForce(agreed)?.statementId).toBe(change.cedar === null ? undefined : hasty.statementId);
    }
  });

  it('never change by one person where they take two, whatever is said in whatever order', () => {
    const asked = fc.record({
      by: fc.constantFrom('operator', 'operator', 'second', 'guard'),
      what: fc.constantFrom('set', 'set', 'confirm'),
      cedar: fc.constantFrom(CEDAR, OTHER, null),
      twoPerson: fc.boolean(),
      // What the signer saw: what is in force, or something older.
      current: fc.boolean(),
    });
    let [changes, confirmations] = [0, 0];
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 40 }), (list) => {
        let directory = start;
        const made: { id: string; by: string }[] = [];
        for (const { by, what, cedar, twoPerson, current } of list) {
          const before = inForce(directory);
          const basedOn = current ? (before?.statementId ?? null) : (made.at(-1)?.id ?? null);
          const waiting = directory.pendingPolicies[0]?.statementId ?? made.at(-1)?.id ?? randomUUID();
          const setting = set({ by, cedar, twoPerson, basedOn });
          const text = what === 'set' ? setting.text : confirm(waiting, by);
          if (what === 'set') made.push({ id: setting.statementId, by });
          if (refusal(directory, text) !== undefined) continue;
          directory = directory.extend([text]);
          const after = inForce(directory);
          if (after?.statementId === before?.statementId) continue;
          changes += 1;
          if (before?.twoPerson !== true && after?.twoPerson !== true) continue;
          // Two persons: whoever set what is now in force (or what removed it), and whoever spoke just now.
          const setBy = made.find(({ id }) => id === (after?.statementId ?? waiting))?.by;
          expect(what).toBe('confirm');
          expect(setBy).not.toBe(by);
          confirmations += 1;
        }
        expect(
          policyVersions(directory, 'prod')
            .filter(({ state }) => state === 'in-force')
            .map((v) => v.statementId),
        ).toEqual(directory.policies.map(({ statementId }) => statementId));
        expect(
          policyVersions(directory, 'prod')
            .filter(({ state }) => state === 'waiting')
            .map((v) => v.statementId),
        ).toEqual(directory.pendingPolicies.map(({ statementId }) => statementId));
      }),
      { numRuns: 150 },
    );
    expect(changes).toBeGreaterThan(100);
    expect(confirmations).toBeGreaterThan(20);
  }, 60_000);

  it('fold to the same at once and one by one', () => {
    const first = set({ twoPerson: true });
    const texts = [
      first.text,
      confirm(first.statementId),
      set({ basedOn: first.statementId, cedar: OTHER }).text,
    ];
    const stepwise = texts.reduce((directory, text) => directory.extend([text]), start);
    expect(stepwise.policies).toEqual(start.extend(texts).policies);
    expect(stepwise.pendingPolicies).toEqual(start.extend(texts).pendingPolicies);
  });
});
