import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, type SigningKey } from '@keymesh/kernel';
import type { Role } from '@keymesh/contracts';
import fc from 'fast-check';
import {
  at,
  codeOf,
  granted,
  invite,
  makeTestClock,
  makeTestMesh,
  MESH_ID,
  nkeyNamed,
  say,
} from '../test/fixtures.js';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { proveKey } from './key-proof.js';

const mesh = makeTestMesh();
const { trustRoot, operatorKey, genesis } = mesh;
const billing = invite(mesh, 'billing', ['reader']);
const own = billing.keys.channel;
const base = foldStatements(trustRoot, [...genesis, billing.statement, billing.complete()], {
  clock: makeTestClock(),
});
const refusal = (directory: Directory, ...texts: readonly string[]) => codeOf(() => directory.extend(texts));

const rolesSet = (before: Role[], roles: Role[], seconds = 0, by = operatorKey, issuer = 'operator') =>
  say('principal.roles-set', { principal: 'billing', before, roles, issuedAt: at(seconds), issuer }, by);

/** New keys, proven, said by `billing` with the key that it has, unless told otherwise. */
function added(
  options: {
    by?: SigningKey;
    issuer?: string;
    seconds?: number;
    channel?: SigningKey;
    nkeys?: string[];
    principal?: string;
    proof?: string;
  } = {},
) {
  const { by = own, issuer = 'billing', seconds = 70, principal = 'billing' } = options;
  const channel = options.channel ?? makeSigningKey().key;
  const nkeys = options.nkeys ?? [nkeyNamed(randomUUID())];
  const statementId = randomUUID();
  const proof = options.proof ?? proveKey({ meshId: MESH_ID, statementId, principal }, channel);
  const channelKeys = [{ key: channel.publicKeyText, proof }];
  const draft = { principal, nkeys, channelKeys, statementId, issuer, issuedAt: at(seconds) };
  return { text: say('principal.keys-added', draft, by), channel, nkeys };
}

const removed = (
  nkeys: string[],
  channelKeys: string[],
  { by = own, issuer = 'billing', seconds = 80 } = {},
) =>
  say(
    'principal.keys-removed',
    { principal: 'billing', nkeys, channelKeys, issuer, issuedAt: at(seconds) },
    by,
  );

describe('roles', () => {
  it('are what the last operator set, and who said so stays readable', () => {
    const directory = base.extend([
      rolesSet(['reader'], ['reader', 'writer']),
      rolesSet(['writer', 'reader'], []),
    ]);
    expect(directory.find('billing')?.roles).toEqual([]);
    expect(directory.historyOf('billing').map(({ type, issuer }) => [type, issuer])).toEqual([
      ['enrolment.issued', 'operator'],
      ['enrolment.completed', 'billing'],
      ['principal.roles-set', 'operator'],
      ['principal.roles-set', 'operator'],
    ]);
    expect(base.historyOf('billing')).toHaveLength(2);
  });

  it.each([
    ['said by the principal itself', () => [rolesSet(['reader'], ['operator'], 0, own, 'billing')]],
    ['said by a stranger as operator', () => [rolesSet(['reader'], ['operator'], 0, makeSigningKey().key)]],
    ['that the signer saw otherwise', () => [rolesSet(['writer'], ['reader'])]],
    [
      'that bring back what another operator took meanwhile',
      () => [rolesSet(['reader'], []), rolesSet(['reader'], ['reader', 'auditor'])],
    ],
    ['named twice', () => [rolesSet(['reader'], ['reader', 'reader'])]],
    ['made for services of the mesh', () => [rolesSet(['reader'], ['locker'])]],
    [
      'older than the last word on this principal',
      () => [rolesSet(['reader'], ['writer'], 20), rolesSet(['writer'], ['reader'], 10)],
    ],
    [
      'without the last operator',
      () => [
        say('principal.roles-set', { principal: 'operator', before: ['operator'], roles: [] }, operatorKey),
      ],
    ],
    [
      'of nobody',
      () => [say('principal.roles-set', { principal: 'nobody', before: [], roles: ['reader'] }, operatorKey)],
    ],
  ])('are not set when %s', (_what, texts) => {
    expect(refusal(base, ...texts())).toBe('STATEMENT_REJECTED');
  });

  it('once taken, take an operator’s right to speak', () => {
    const second = makeSigningKey().key;
    const demoted = base.extend([
      granted('second', ['operator'], second, operatorKey),
      say('principal.roles-set', { principal: 'second', before: ['operator'], roles: [] }, operatorKey),
    ]);
    expect(refusal(demoted, rolesSet(['reader'], ['writer'], 0, second, 'second'))).toBe(
      'STATEMENT_REJECTED',
    );
  });
});

describe('attributes', () => {
  it('are set whole by operators', () => {
    const set = (attributes: object, by = operatorKey, issuer = 'operator') =>
      say('principal.attributes-set', { principal: 'billing', attributes, issuer }, by);
    const directory = base.extend([
      set({ team: 'payments', networks: ['10.0.0.0/8', '2001:db8::/32'], labels: { tier: 'gold' } }),
    ]);
    expect(directory.find('billing')?.attributes.networks).toEqual(['10.0.0.0/8', '2001:db8::/32']);
    expect(directory.extend([set({})]).find('billing')?.attributes).toEqual({});
    expect(refusal(base, set({ team: 'x' }, own, 'billing'))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => set({ networks: ['10.0.0.0'] }))).toBe('STATEMENT_REJECTED');
    expect(codeOf(() => set({ networks: [] }))).toBe('STATEMENT_REJECTED');
  });
});

describe('keys', () => {
  it('are added by the principal itself and work beside the old ones, until those are removed', () => {
    const { text, channel, nkeys } = added();
    const both = base.extend([text]);
    expect(both.isChannelKeyOf('billing', own.publicKeyText)).toBe(true);
    expect(both.isChannelKeyOf('billing', channel.publicKeyText)).toBe(true);
    expect(both.findByNkey(nkeys[0]!)?.name).toBe('billing');
    const after = both.extend([removed([billing.keys.nkey], [own.publicKeyText], { by: channel })]);
    expect(after.isChannelKeyOf('billing', own.publicKeyText)).toBe(false);
    expect(after.findByNkey(billing.keys.nkey)).toBeUndefined();
    expect(after.find('billing')).toMatchObject({ nkeys, channelKeys: [channel.publicKeyText] });
  });

  it('are added and removed by operators', () => {
    const { text, channel } = added({ by: operatorKey, issuer: 'operator' });
    const word = { by: operatorKey, issuer: 'operator' };
    const after = base.extend([text, removed([], [own.publicKeyText], word)]);
    expect(after.find('billing')?.channelKeys).toEqual([channel.publicKeyText]);
  });

  it.each([
    ['by another principal’s key', () => [added({ by: makeSigningKey().key }).text]],
    ['for somebody else', () => [added({ principal: 'operator' }).text]],
    [
      'by a key that was removed',
      () => {
        const first = added();
        return [
          first.text,
          removed([], [own.publicKeyText], { by: first.channel }),
          added({ seconds: 90 }).text,
        ];
      },
    ],
    [
      'by a disabled principal',
      () => [
        say('principal.status-set', { principal: 'billing', status: 'disabled' }, operatorKey),
        added().text,
      ],
    ],
    ['with a channel key of another', () => [added({ channel: operatorKey }).text]],
    ['with an nkey of another', () => [added({ nkeys: [nkeyNamed('operator')] }).text]],
    [
      'without proof of the new key',
      () => {
        const binding = { meshId: MESH_ID, statementId: randomUUID(), principal: 'billing' };
        return [added({ proof: proveKey(binding, makeSigningKey().key) }).text];
      },
    ],
    [
      'beyond eight',
      () => [
        added({ nkeys: Array.from({ length: 8 }, (_, index) => nkeyNamed(`more ${String(index)}`)) }).text,
      ],
    ],
    ['before what was said last', () => [added({ seconds: 90 }).text, added({ seconds: 85 }).text]],
  ])('are not added %s', (_what, texts) => {
    expect(refusal(base, ...texts())).toBe('STATEMENT_REJECTED');
  });

  it.each([
    ['the last nkey', () => [removed([billing.keys.nkey], [])]],
    ['the last channel key', () => [removed([], [own.publicKeyText])]],
    ['a key of somebody else', () => [removed([nkeyNamed('operator')], [])]],
    ['nothing', () => [removed([], [])]],
    [
      'a key twice',
      () => [added().text, removed([], [own.publicKeyText, own.publicKeyText], { seconds: 80 })],
    ],
  ])('are not removed: %s', (_what, texts) => {
    expect(refusal(base, ...texts())).toBe('STATEMENT_REJECTED');
  });

  it('once removed are never taken again', () => {
    const { text, channel } = added();
    const after = base.extend([text, removed([], [own.publicKeyText], { by: channel })]);
    const again = added({ by: channel, channel: own, seconds: 90 });
    expect(refusal(after, again.text)).toBe('STATEMENT_REJECTED');
  });

  it('with a time far ahead do not make operators’ words too old', () => {
    const ahead = base.extend([added({ seconds: 10_000_000 }).text]);
    const disabled = say(
      'principal.status-set',
      { principal: 'billing', status: 'disabled', issuedAt: at(100) },
      operatorKey,
    );
    expect(ahead.extend([disabled]).find('billing')?.status).toBe('disabled');
  });

  it('give, whoever says what in whatever order, no key that neither its holder’s key nor an operator named', () => {
    const thief = makeSigningKey().key;
    const honest = added();
    const stolen = [
      added({ by: thief, channel: thief }),
      added({ by: thief, channel: thief, issuer: 'operator' }),
      added({ by: mesh.bundleKey, channel: thief, issuer: 'operator' }),
    ];
    const roles = rolesSet(['reader'], ['operator'], 0, thief);
    const texts = [honest.text, ...stolen.map(({ text }) => text), roles];
    fc.assert(
      fc.property(fc.shuffledSubarray(texts), (said) => {
        let directory = base;
        for (const text of said)
          if (refusal(directory, text) === undefined) directory = directory.extend([text]);
        expect(directory.isChannelKeyOf('billing', thief.publicKeyText)).toBe(false);
        expect(directory.find('billing')?.roles).toEqual(['reader']);
      }),
    );
  });
});
