import { describe, expect, it } from '@jest/globals';
import type { BundleSession, Role, Statement } from '@keymesh/contracts';
import { makeSigningKey } from '@keymesh/kernel';
import fc from 'fast-check';
import {
  at,
  bundleOf,
  codeOf,
  granted,
  makeTestClock,
  makeTestMesh,
  nkeyNamed,
  say,
} from '../test/fixtures.js';
import { openBundle, signBundle } from './bundle.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

const mesh = makeTestMesh();
const clock = makeTestClock();
const own = makeSigningKey().key;
const second = makeSigningKey().key;

const token = (sub: string) => ({
  kind: 'token' as const,
  issuer: 'https://issuer.example',
  audience: 'keymesh',
  claims: { sub },
  keys: { from: 'discovery' as const },
});
const certificate = {
  kind: 'certificate' as const,
  authority: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  spiffeId: 'spiffe://example.org/certified',
};
type Rule = NonNullable<Extract<Statement, { type: 'identity-rule.set' }>['rule']>;
interface Said {
  readonly basedOn?: string | null;
  readonly by?: typeof own;
  readonly issuer?: string;
  readonly seconds?: number;
}
const setRule = (
  ruleId: string,
  rule: Partial<Rule> | null,
  { basedOn = null, by = mesh.operatorKey, issuer = 'operator', seconds = 10 }: Said = {},
): string =>
  say(
    'identity-rule.set',
    {
      issuer,
      issuedAt: at(seconds),
      ruleId,
      rule:
        rule === null
          ? null
          : {
              principal: 'billing',
              identity: token('billing'),
              maxSessionSeconds: 600,
              privileged: false,
              ...rule,
            },
      basedOn,
    },
    by,
  );

const statements = [
  ...mesh.genesis,
  granted('billing', ['reader'], own, mesh.operatorKey),
  granted('second', ['operator'], second, mesh.operatorKey),
  granted('certified', ['reader'], makeSigningKey().key, mesh.operatorKey),
  granted('unruled', ['reader'], makeSigningKey().key, mesh.operatorKey),
  setRule('billing', {}),
  setRule('certified', { principal: 'certified', identity: certificate }),
];
const directory = foldStatements(mesh.trustRoot, statements, { clock });

const session = (over: Partial<BundleSession> = {}): BundleSession => ({
  principal: 'billing',
  ruleId: 'billing',
  nkey: nkeyNamed('session'),
  channelKey: SESSION_KEY.publicKeyText,
  openedAt: at(0),
  expiresAt: at(600),
  ...over,
});
const SESSION_KEY = makeSigningKey().key;
const counts = (sessions: BundleSession[], in_: Directory = directory): number =>
  in_.withSessions(sessions).sessions().length;

describe('an identity rule', () => {
  it('is an operator’s to set and to remove, for a principal that is there', () => {
    expect(directory.identityRules.map(({ ruleId }) => ruleId)).toEqual(['billing', 'certified']);
    const [{ statementId: basedOn } = { statementId: '' }] = directory.identityRules;
    expect(directory.extend([setRule('billing', null, { basedOn })]).identityRules).toHaveLength(1);
    for (const refused of [
      setRule('mine', {}, { by: own, issuer: 'billing' }),
      setRule('mine', {}, { by: mesh.bundleKey, issuer: 'operator' }),
      setRule('mine', { principal: 'nobody' }),
      setRule('billing', {}),
      setRule('billing', null),
      setRule('none', null),
    ])
      expect(codeOf(() => directory.extend([refused]))).toBe('STATEMENT_REJECTED');
  });

  it('stands for a privileged principal only where it says so', () => {
    expect(codeOf(() => directory.extend([setRule('op', { principal: 'second' })]))).toBe(
      'STATEMENT_REJECTED',
    );
    const said = directory.extend([setRule('op', { principal: 'second', privileged: true })]);
    expect(counts([session({ principal: 'second', ruleId: 'op' })], said)).toBe(1);
  });
});

describe('a session', () => {
  it('is its principal’s key until it ends, by the reader’s clock', () => {
    const turning = makeTestClock();
    const live = foldStatements(mesh.trustRoot, statements, { clock: turning }).withSessions([session()]);
    const isGood = (): boolean =>
      live.isChannelKeyOf('billing', SESSION_KEY.publicKeyText) &&
      live.findByNkey(nkeyNamed('session'))?.name === 'billing' &&
      live.sessions().length === 1;
    expect(isGood()).toBe(true);
    expect(live.isChannelKeyOf('unruled', SESSION_KEY.publicKeyText)).toBe(false);
    turning.turn(599);
    expect(isGood()).toBe(true);
    turning.turn(1);
    expect(live.isChannelKeyOf('billing', SESSION_KEY.publicKeyText)).toBe(false);
    expect(live.findByNkey(nkeyNamed('session'))).toBeUndefined();
    expect(live.sessions()).toEqual([]);
  });

  it('ends with its rule, and with what its principal is', () => {
    const live = directory.withSessions([session()]);
    const [{ statementId: basedOn } = { statementId: '' }] = live.identityRules;
    const without = live.extend([setRule('billing', null, { basedOn })]);
    expect(without.isChannelKeyOf('billing', SESSION_KEY.publicKeyText)).toBe(false);
    const changed = live.extend([setRule('billing', { principal: 'unruled' }, { basedOn })]);
    expect(changed.sessions()).toEqual([]);
    const disabled = live.extend([
      say(
        'principal.status-set',
        { principal: 'billing', status: 'disabled', issuedAt: at(20) },
        mesh.operatorKey,
      ),
    ]);
    expect(disabled.isChannelKeyOf('billing', SESSION_KEY.publicKeyText)).toBe(false);
    // A role given later makes no privileged session of one that was not.
    const before: Role[] = ['reader'];
    const promoted = live.extend([
      say(
        'principal.roles-set',
        { principal: 'billing', before, roles: ['operator'], issuedAt: at(20) },
        mesh.operatorKey,
      ),
    ]);
    expect(promoted.isChannelKeyOf('billing', SESSION_KEY.publicKeyText)).toBe(false);
  });

  it('signs no statement, not even its principal’s own', () => {
    const rule = setRule('op', { principal: 'second', privileged: true });
    const live = directory
      .extend([rule])
      .withSessions([
        session({ principal: 'second', ruleId: 'op' }),
        session({ nkey: nkeyNamed('2'), channelKey: own.publicKeyText }),
      ]);
    expect(live.isChannelKeyOf('second', SESSION_KEY.publicKeyText)).toBe(true);
    for (const statement of [
      setRule('more', {}, { by: SESSION_KEY, issuer: 'second', seconds: 20 }),
      say(
        'principal.keys-added',
        {
          issuer: 'second',
          principal: 'second',
          nkeys: [nkeyNamed('own')],
          channelKeys: [],
          issuedAt: at(20),
        },
        SESSION_KEY,
      ),
    ])
      expect(codeOf(() => live.extend([statement]))).toBe('STATEMENT_REJECTED');
  });

  it.each<[string, Partial<BundleSession>[]]>([
    ['without a rule', [{ ruleId: 'none' }]],
    ['of another principal than its rule’s', [{ principal: 'unruled' }]],
    ['longer than its rule allows', [{ expiresAt: at(601) }]],
    ['that begins later', [{ openedAt: at(120), expiresAt: at(300) }]],
    ['that is over', [{ openedAt: at(-700), expiresAt: at(-100) }]],
    ['with a channel key that somebody has', [{ channelKey: own.publicKeyText }]],
    ['with an nkey that somebody has', [{ nkey: nkeyNamed('second') }]],
    ['with the mesh’s own key', [{ channelKey: mesh.trustRoot.bundlePublicKey }]],
    ['with a key of another session', [{}, { nkey: nkeyNamed('another') }]],
    [
      'of a certificate rule without the certificate’s signature',
      [{ principal: 'certified', ruleId: 'certified' }],
    ],
    [
      'of a certificate rule with something else for a signature',
      [
        {
          principal: 'certified',
          ruleId: 'certified',
          certificate: { chain: ['AAAA'], notAfter: at(600), signature: 'AAAA' },
        },
      ],
    ],
    [
      'of a token rule with a certificate',
      [{ certificate: { chain: ['AAAA'], notAfter: at(600), signature: 'AAAA' } }],
    ],
  ])('%s does not count', (_what, sessions) => {
    const live = directory.withSessions(sessions.map(session));
    expect(live.sessions()).toEqual([]);
    for (const { principal, nkey, channelKey } of sessions.map(session)) {
      expect(live.isChannelKeyOf(principal, channelKey)).toBe(
        directory.isChannelKeyOf(principal, channelKey),
      );
      expect(live.findByNkey(nkey)?.name).toBe(directory.findByNkey(nkey)?.name);
    }
  });
});

describe('a policy service that has been taken over', () => {
  const names = ['billing', 'second', 'certified', 'unruled', 'operator', '_vault', 'nobody'];
  const attackers = Array.from({ length: 4 }, () => makeSigningKey().key);
  const seconds = fc.oneof(
    fc.constantFrom(-100, -60, 0, 60, 61, 300),
    fc.integer({ min: -700, max: 700 }),
    fc.integer({ min: -100_000, max: 100_000 }),
  );
  const mostly = (often: string, ...rest: string[]) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(often) },
      { weight: 1, arbitrary: fc.constantFrom(...rest) },
    );
  const forged = fc
    .record({
      principal: mostly('billing', ...names.filter((name) => !name.startsWith('_'))),
      ruleId: mostly('billing', 'certified', 'none'),
      nkey: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'second').map(nkeyNamed),
      channelKey: fc.constantFrom(...attackers, own).map(({ publicKeyText }) => publicKeyText),
      openedAt: seconds,
      lasts: fc.constantFrom(1, 300, 600, 601, 86_400),
    })
    .map(({ openedAt, lasts, ...rest }) => ({
      ...rest,
      openedAt: at(openedAt),
      expiresAt: at(openedAt + lasts),
    }));

  it('can vouch for the principals of token rules, for as long as these allow, and for nobody else', () => {
    let vouched = 0;
    fc.assert(
      fc.property(fc.array(forged, { maxLength: 4 }), (sessions) => {
        const bytes = signBundle(bundleOf(statements, { sessions }), mesh.bundleKey);
        const { directory: opened, bundle } = openBundle(bytes, mesh.trustRoot, { clock });
        for (const name of names) {
          const entry = opened.find(name);
          // What it may is what operators said, whoever has a key of it.
          expect(entry).toEqual(directory.find(name));
          for (const { publicKeyText } of attackers) {
            const isVouched = opened.isChannelKeyOf(name, publicKeyText);
            if (isVouched) vouched += 1;
            if (isVouched) expect(name).toBe('billing');
          }
        }
        for (const { expiresAt } of opened.sessions())
          expect(Date.parse(expiresAt) - clock.now()).toBeLessThanOrEqual((600 + 60) * 1_000);
        const engine = makePolicyEngine(bundle, opened);
        const billing = opened.find('billing');
        expect(
          engine.decide({
            principal: { ...policyPrincipal(billing!), roles: ['operator'] },
            action: 'principal.write',
            resource: { kind: 'principal', id: 'x', attributes: {} },
            context: {},
          }).effect,
        ).toBe('forbid');
      }),
      { numRuns: 200 },
    );
    // The control: what the rule delegates it does have, else nothing above was tried.
    expect(vouched).toBeGreaterThan(0);
  });
});
