import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeSigningKey } from '@keymesh/kernel';
import {
  ACTIONS,
  KILLABLE_ROLES,
  KILL_SCOPES,
  ROLES,
  type KillSwitch,
  type PolicyRequest,
  type Role,
} from '@keymesh/contracts';
import fc from 'fast-check';
import { at, granted, makeTestClock, makeTestMesh, say } from '../test/fixtures.js';
import { BUILT_IN_POLICIES, REVEALING } from './built-in-policies.js';
import { followsOn, openBundle, signBundle } from './bundle.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { makePolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';

const mesh = makeTestMesh();
const clock = makeTestClock();
const NAMES = ['operator', 'second', 'reader', 'writer', 'both', 'admin', '_rotation', '_anomaly-detector'];
const NAMESPACES = ['billing', 'billing/eu', 'billings', 'ops'];
const keyOf = new Map(NAMES.map((name) => [name, makeSigningKey().key]));
const grantOf = (name: string, roles: Role[]): string =>
  granted(name, roles, keyOf.get(name)!, mesh.operatorKey);
const base = foldStatements(
  mesh.trustRoot,
  [
    ...mesh.genesis,
    grantOf('second', ['operator', 'reader']),
    grantOf('reader', ['reader']),
    grantOf('writer', ['writer']),
    grantOf('both', ['reader', 'auditor']),
    grantOf('admin', ['security-admin']),
  ],
  { clock },
);

const kill = (over: Partial<KillSwitch> & Pick<KillSwitch, 'scope'>): KillSwitch => ({
  killId: randomUUID(),
  reason: 'spec',
  since: at(0),
  by: 'operator',
  ...over,
});
const engineOf = (directory: Directory) =>
  makePolicyEngine({ version: 1, policies: [...BUILT_IN_POLICIES] }, directory);
const decide = (directory: Directory, request: PolicyRequest) => engineOf(directory).decide(request);
const ask = (
  directory: Directory,
  name: string,
  action: PolicyRequest['action'],
  namespace: string,
): PolicyRequest => ({
  principal: policyPrincipal(directory.find(name)!),
  action,
  resource: { kind: 'credential', id: randomUUID(), attributes: { namespace } },
  context: { channel: 'encrypted' },
});
const statusOf = (kills: KillSwitch[], name: string) => base.withKills(kills).find(name)?.status;

describe('a kill switch', () => {
  it('of a principal stops it, its channel keys and nobody else', () => {
    const kills = [kill({ scope: 'principal', name: 'reader' })];
    expect(statusOf(kills, 'reader')).toBe('killed');
    expect(base.isChannelKeyOf('reader', keyOf.get('reader')!.publicKeyText)).toBe(true);
    expect(base.withKills(kills).isChannelKeyOf('reader', keyOf.get('reader')!.publicKeyText)).toBe(false);
    for (const name of NAMES.filter((other) => other !== 'reader'))
      expect(statusOf(kills, name)).toBe('active');
  });

  it('of a role stops its holders, also those who get it later, but no operator', () => {
    const kills = [kill({ scope: 'role', name: 'reader' })];
    const stopped = NAMES.filter((name) => statusOf(kills, name) === 'killed');
    expect(stopped).toEqual(['reader', 'both']);
    const later = base.withKills(kills).extend([grantOfLate('late', ['reader'])]);
    expect(later.find('late')?.status).toBe('killed');
  });

  it('of everyone spares operators and the mesh’s own services', () => {
    const kills = [kill({ scope: 'everyone' })];
    const spared = NAMES.filter((name) => statusOf(kills, name) === 'active');
    expect(spared).toEqual(['operator', 'second', '_rotation', '_anomaly-detector']);
  });

  it('of a namespace forbids everything in it and below, and leaves operators what shows no value', () => {
    const directory = base.withKills([kill({ scope: 'namespace', name: 'billing' })]);
    for (const namespace of ['billing', 'billing/eu']) {
      expect(decide(directory, ask(directory, 'reader', 'retrieve', namespace)).effect).toBe('forbid');
      expect(decide(directory, ask(directory, 'reader', 'describe', namespace)).effect).toBe('forbid');
      expect(decide(directory, ask(directory, '_rotation', 'version.reveal', namespace)).effect).toBe(
        'forbid',
      );
      expect(decide(directory, ask(directory, '_rotation', 'version.prepare', namespace)).effect).toBe(
        'permit',
      );
      for (const action of REVEALING)
        expect(decide(directory, ask(directory, 'operator', action, namespace)).effect).toBe('forbid');
      expect(decide(directory, ask(directory, 'operator', 'destroy', namespace)).effect).toBe('permit');
      expect(decide(directory, ask(directory, 'operator', 'describe', namespace)).effect).toBe('permit');
    }
    expect(decide(directory, ask(directory, 'reader', 'retrieve', 'billings')).effect).toBe('permit');
    const [{ killId }] = directory.kills as [KillSwitch];
    expect(decide(directory, ask(directory, 'reader', 'retrieve', 'billing')).errors).toEqual([
      `kill-switch: ${killId}`,
    ]);
  });

  it('is void once an operator lifted it, whatever the bundle goes on saying, and only then', () => {
    const one = kill({ scope: 'everyone' });
    const lifting = say('kill-switch.lifted', { killId: one.killId, issuedAt: at(1) }, mesh.operatorKey);
    const lifted = base.withKills([one]).extend([lifting]);
    expect(lifted.find('reader')?.status).toBe('active');
    expect(lifted.kills).toEqual([]);
    expect(lifted.withKills([one]).find('reader')?.status).toBe('active');
    expect(lifted.liftingOf(one.killId)).toEqual({ by: 'operator', at: at(1) });
    const again = say('kill-switch.lifted', { killId: one.killId, issuedAt: at(2) }, mesh.operatorKey);
    expect(() => lifted.extend([again])).toThrow(/lifted already/);
    for (const name of ['admin', 'writer', '_anomaly-detector']) {
      const draft = { killId: one.killId, issuer: name, issuedAt: at(1) };
      expect(() => base.extend([say('kill-switch.lifted', draft, keyOf.get(name)!)])).toThrow(
        /not an active/,
      );
    }
  });

  it('travels in the bundle, and a bundle without one has the bytes that it always had', () => {
    const payload = {
      v: 1 as const,
      meshId: base.meshId,
      version: 2,
      issuedAt: at(0),
      statements: [...base.statements],
      policies: [],
      taken: [],
    };
    const kills = [kill({ scope: 'principal', name: 'reader' })];
    const opened = openBundle(signBundle({ ...payload, kills }, mesh.bundleKey), mesh.trustRoot, { clock });
    expect(opened.directory.find('reader')?.status).toBe('killed');
    // The next bundle without it, made by whoever holds the bundle key: see ADR 0019 for why that is no grant.
    const plain = signBundle(payload, mesh.bundleKey);
    expect(Buffer.from(plain).includes('kills')).toBe(false);
    expect(openBundle(plain, mesh.trustRoot, { clock, previous: opened.directory }).directory.kills).toEqual(
      [],
    );
  });
});

describe('a bundle that follows on', () => {
  const [one, two] = [kill({ scope: 'principal', name: 'reader' }), kill({ scope: 'everyone' })];
  const accepted = base.withKills([one, two]);
  const lifting = say('kill-switch.lifted', { killId: two.killId, issuedAt: at(1) }, mesh.operatorKey);

  it('has every kill switch of the accepted one, but for those that an operator lifted', () => {
    expect(followsOn(base.withKills([two, one]), accepted)).toBe(true);
    expect(followsOn(base.extend([lifting]).withKills([one]), accepted)).toBe(true);
    expect(followsOn(base.withKills([one, two, kill({ scope: 'everyone' })]), accepted)).toBe(true);
  });

  it('is not one that leaves one out, or makes it something else: whoever has the bundle key cannot give back', () => {
    expect(followsOn(base, accepted)).toBe(false);
    expect(followsOn(base.withKills([one]), accepted)).toBe(false);
    expect(followsOn(base.withKills([two, { ...one, name: 'nobody' }]), accepted)).toBe(false);
    expect(followsOn(base.withKills([one, { ...two, scope: 'principal', name: 'nobody' }]), accepted)).toBe(
      false,
    );
  });
});

const grantOfLate = (name: string, roles: Role[]): string =>
  granted(name, roles, makeSigningKey().key, mesh.operatorKey);

describe('no list of kill switches', () => {
  const without = engineOf(base);
  const kills = fc.array(
    fc
      .constantFrom(...KILL_SCOPES)
      .chain((scope) =>
        fc
          .constantFrom(...(scope === 'principal' ? NAMES : scope === 'role' ? ROLES : NAMESPACES))
          .map((name) => kill({ scope, ...(scope === 'everyone' ? {} : { name }) })),
      ),
    { maxLength: 5 },
  );
  const request = fc.record({
    name: fc.constantFrom(...NAMES),
    action: fc.constantFrom(...ACTIONS),
    namespace: fc.constantFrom(...NAMESPACES),
  });

  it('turns a forbid into a permit, makes anybody active, or stops the last operator by role or all at once', () => {
    fc.assert(
      fc.property(kills, fc.array(request, { maxLength: 20 }), (list, requests) => {
        const directory = base.withKills(list);
        const engine = engineOf(directory);
        for (const { name, action, namespace } of requests) {
          const asked = ask(base, name, action, namespace);
          if (without.decide(asked).effect === 'forbid') expect(engine.decide(asked).effect).toBe('forbid');
        }
        for (const name of NAMES) expect(['active', 'killed']).toContain(directory.find(name)?.status);
        const byName = new Set(list.filter(({ scope }) => scope === 'principal').map(({ name }) => name));
        for (const name of ['operator', 'second'])
          expect(directory.find(name)?.status).toBe(byName.has(name) ? 'killed' : 'active');
      }),
    );
  });

  it('names a role whose holders are all operators or services', () => {
    expect(KILLABLE_ROLES).not.toContain('operator');
    expect(KILLABLE_ROLES).not.toContain('locker');
  });
});
