import { beforeEach, describe, expect, it } from '@jest/globals';
import { makeOracle, type FinalState, type KnownCredential, type Oracle } from './support/oracle.js';

// The chaos spec believes its oracle, so the oracle is shown every kind of loss here.
let oracle: Oracle;
let credential: KnownCredential;

beforeEach(() => {
  oracle = makeOracle();
  credential = oracle.add('one', false);
  oracle.attempt(credential, 'a')({ version: 1, revision: 1 });
  oracle.attempt(credential, 'b')({ version: 2, revision: 2 });
});

const intact: FinalState = {
  versions: [
    { version: 1, stage: 'previous' },
    { version: 2, stage: 'current' },
  ],
  open: [
    { version: 1, digest: 'a' },
    { version: 2, digest: 'b' },
  ],
};
const reveal = (version: number, digest: string, revision = 2, stale = false): void =>
  oracle.revealed(
    credential,
    { revision: 2 },
    { traceId: 't', principal: 'p', credentialId: 'c', version, digest, revision, stale },
  );

describe('the oracle is content with', () => {
  it('what was acknowledged, all there', () => {
    reveal(2, 'b');
    oracle.check(credential, intact);
    expect(oracle.violations).toEqual([]);
  });

  it('a write without an acknowledgement, there or not', () => {
    oracle.attempt(credential, 'c');
    oracle.check(credential, intact);
    oracle.check(credential, {
      versions: [
        { version: 1, stage: 'revoked' },
        { version: 2, stage: 'previous' },
        { version: 3, stage: 'current' },
      ],
      open: [
        { version: 2, digest: 'b' },
        { version: 3, digest: 'c' },
      ],
    });
    const never = oracle.add('never', false);
    oracle.attempt(never, 'n');
    oracle.check(never, undefined);
    expect(oracle.violations).toEqual([]);
  });

  it('an older revision that says so', () => {
    reveal(1, 'a', 1, true);
    expect(oracle.violations).toEqual([]);
  });
});

describe('the oracle notices', () => {
  const cases: [string, () => void][] = [
    ['a credential that is gone', () => oracle.check(credential, undefined)],
    [
      'an acknowledged version that is gone',
      () =>
        oracle.check(credential, {
          ...intact,
          versions: [{ version: 1, stage: 'current' }],
          open: [{ version: 1, digest: 'a' }],
        }),
    ],
    [
      'an acknowledged version that is not current',
      () =>
        oracle.check(credential, {
          ...intact,
          versions: [
            { version: 1, stage: 'current' },
            { version: 2, stage: 'previous' },
          ],
        }),
    ],
    [
      'no current version',
      () =>
        oracle.check(credential, { versions: intact.versions.slice(0, 1), open: intact.open.slice(0, 1) }),
    ],
    [
      'two current versions',
      () =>
        oracle.check(credential, {
          ...intact,
          versions: [
            { version: 1, stage: 'current' },
            { version: 2, stage: 'current' },
          ],
        }),
    ],
    [
      'a version too many',
      () =>
        oracle.check(credential, {
          ...intact,
          versions: [...intact.versions, { version: 3, stage: 'revoked' }],
        }),
    ],
    [
      'a version that does not open',
      () => oracle.check(credential, { ...intact, open: intact.open.slice(1) }),
    ],
    ['a value that changed', () => reveal(2, 'a')],
    [
      'a value that nobody sent',
      () =>
        oracle.check(credential, {
          ...intact,
          open: [
            { version: 1, digest: 'x' },
            { version: 2, digest: 'b' },
          ],
        }),
    ],
    [
      'one value under two numbers',
      () =>
        oracle.check(credential, {
          versions: [
            { version: 1, stage: 'previous' },
            { version: 2, stage: 'revoked' },
            { version: 3, stage: 'current' },
          ],
          open: [
            { version: 1, digest: 'a' },
            { version: 3, digest: 'b' },
          ],
        }),
    ],
    ['a number used again', () => oracle.attempt(credential, 'c')({ version: 2, revision: 3 })],
    ['an answer that is older than an acknowledgement', () => reveal(1, 'a', 1)],
  ];

  it.each(cases)('%s', (_what, lose) => {
    lose();
    expect(oracle.violations).not.toEqual([]);
  });
});
