import { generateKeyPairSync, randomInt, randomUUID } from 'node:crypto';
import { describe, expect, it, jest } from '@jest/globals';
import {
  importChannelKey,
  makeChannelKeyPair,
  readChannelKey,
  sealRequest,
  signChannelKey,
} from '@keymesh/channel';
import { openSession, proveSessionRequest, type SessionRequest } from '@keymesh/contracts';
import { HOUR, KeymeshError, makeSigningKey, utf8 } from '@keymesh/kernel';
import { refuseCertificate, spiffeIdOf, type IdentityRule } from '@keymesh/policy-engine';
import { makeCertificate, makeTestClock } from '@keymesh/testing';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { makeOpenRequest } from './open-request.js';
import { makeProveIdentity } from './prove-identity.js';
import { makeVerifyToken } from './verify-token.js';

// Everything that strangers send to prove who they are. Whatever comes, the answer is a reason or a code, soon; never a crash, never a yes.
// KEYMESH_SEED=<seed> runs the same inputs again; a failure prints it.
const SEED = Number(process.env.KEYMESH_SEED ?? randomInt(2 ** 31));
const RUNS = 3_000;
jest.setTimeout(200_000);

const clock = makeTestClock(Date.now());
const issuer = generateKeyPairSync('ed25519');
const { x = '' } = issuer.publicKey.export({ format: 'jwk' });
const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
const SPIFFE = 'spiffe://example.org/billing';
const base = {
  principal: 'billing',
  maxSessionSeconds: 600,
  privileged: false,
  setBy: 'operator',
  setAt: '',
};
const rules: readonly IdentityRule[] = [
  {
    ...base,
    ...{ ruleId: 'token', statementId: randomUUID() },
    identity: {
      ...{ kind: 'token', issuer: 'ci', audience: 'keymesh', claims: { sub: 'billing' } },
      keys: { from: 'pinned', keys: [{ kty: 'OKP', crv: 'Ed25519', x }] },
    },
  },
  {
    ...base,
    ...{ ruleId: 'certificate', statementId: randomUUID() },
    identity: { kind: 'certificate', authority: authority.pem, spiffeId: SPIFFE },
  },
];
const verifyToken = makeVerifyToken({ fetchJson: () => Promise.reject(new Error('nowhere')), clock });
const prove = makeProveIdentity({ verifyToken, clock });
const now = Math.floor(clock.now() / 1_000);
const validToken = () =>
  new SignJWT({ iss: 'ci', aud: 'keymesh', sub: 'billing', iat: now, exp: now + 300 })
    .setProtectedHeader({ alg: 'EdDSA' })
    .sign(issuer.privateKey);

const edits = fc.array(
  fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 5_000 }), fc.nat({ max: 255 }), fc.nat({ max: 40 })),
  {
    minLength: 1,
    maxLength: 5,
  },
);
type Edits = readonly (readonly [number, number, number, number])[];

/** Bytes flipped, put in, taken out, or repeated. */
function spoil(valid: Buffer, changes: Edits): Buffer {
  let bytes = Buffer.from(valid);
  for (const [kind, where, byte, size] of changes) {
    const at = where % (bytes.length + 1);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    if (kind === 0) bytes = Buffer.concat([before, Buffer.of(byte), after.subarray(1)]);
    else if (kind === 1) bytes = Buffer.concat([before, Buffer.of(byte), after]);
    else if (kind === 2) bytes = Buffer.concat([before, after.subarray(size)]);
    else bytes = Buffer.concat([before, after.subarray(0, size), after]);
  }
  return bytes;
}
const check = (attempt: (changes: Edits) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      await attempt(changes);
    }),
    { seed: SEED, numRuns: RUNS },
  );

describe('what strangers send', () => {
  it('as a token is read or refused', async () => {
    const token = await validToken();
    // The control: as it stands it fits.
    expect(await verifyToken(token, rules)).toMatchObject({ rule: { ruleId: 'token' } });
    const parts = token.split('.').map((part) => Buffer.from(part, 'base64url'));
    const seen = new Set<string>();
    await check(async (changes) => {
      const whole = spoil(Buffer.from(token), changes).toString('latin1');
      const inside = parts
        .map((part, at) => (at === changes.length % 3 ? spoil(part, changes) : part).toString('base64url'))
        .join('.');
      for (const text of [whole, inside]) {
        const verdict = await verifyToken(text, rules);
        if ('refused' in verdict) seen.add(verdict.refused);
        // Text that decodes to the same bytes is the same token.
        else expect(text.split('.').map((part) => Buffer.from(part, 'base64url'))).toEqual(parts);
      }
    });
    expect([...seen]).toEqual(expect.arrayContaining(['malformed', 'signature', 'algorithm']));
  });

  it.each([
    ['{"alg":"EdDSA","__proto__":{"alg":"none"}}', '{"iss":"ci"}'],
    ['{"alg":"EdDSA","alg":"none"}', '{"iss":"ci"}'],
    ['{"alg":{"toString":1}}', '{"iss":{}}'],
    ['{"alg":"EdDSA","typ":{}}', '{"iss":"ci"}'],
    ['{"alg":"EdDSA","typ":7}', '{"iss":"ci"}'],
    ['{"alg":"EdDSA","kid":["x"]}', '{"iss":"ci"}'],
    ['{"alg":"EdDSA"}', '{"iss":"ci","exp":1e400}'],
    ['[]', '[]'],
    ['null', 'null'],
    [`{"alg":"EdDSA","x":${'['.repeat(4_000)}${']'.repeat(4_000)}}`, '{}'],
  ])('as a token with the head %.60s is refused', async (head, payload) => {
    const text = [head, payload, 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');
    expect(await verifyToken(text, rules)).toHaveProperty('refused');
    expect(({} as { alg?: unknown }).alg).toBeUndefined();
  });

  const leaf = makeCertificate({ by: authority, names: [['uri', SPIFFE]], usages: ['client'] });
  const certified = { meshId: 'mesh', nkey: `U${'A'.repeat(55)}`, channelKey: 'A'.repeat(43) };

  it('as a certificate is read or refused', async () => {
    const proof = { notAfter: new Date(clock.now() + HOUR).toISOString(), signature: 'AAAA' };
    const seen = new Set<string | undefined>();
    await check(async (changes) => {
      const chain = [spoil(leaf.der, changes).toString('base64')];
      const verdict = await prove({ v: 1, ...certified, proof: '', certificate: { chain, ...proof } }, rules);
      seen.add('refused' in verdict ? verdict.refused : 'accepted');
      const [, { identity } = { identity: undefined }] = rules;
      if (identity?.kind === 'certificate')
        seen.add(refuseCertificate(identity, certified, { chain, ...proof }, clock.now()));
    });
    expect(seen.has('accepted')).toBe(false);
    expect(seen.has(undefined)).toBe(false);
    expect([...seen]).toEqual(expect.arrayContaining(['malformed', 'authority']));
  });

  it('as alternative names gives the one SPIFFE id that is there, or none', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', ',', ' ', '"', '\\', ':', 'URI:', 'DNS:', SPIFFE),
      maxLength: 40,
    });
    fc.assert(
      fc.property(text, (subjectAltName) => {
        const id = spiffeIdOf({ subjectAltName });
        if (id === undefined) return;
        // Not in another name's text: it begins the line or follows the end of a name, and nothing else calls itself one.
        expect(subjectAltName).toMatch(/(^|, )URI:spiffe:/);
        expect(id.startsWith('spiffe://')).toBe(true);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it('as a sealed request is read or refused', async () => {
    const mesh = makeSigningKey().key;
    const { publicKey, privateKey } = await makeChannelKeyPair();
    const text = signChannelKey(
      { service: 'policy', publicKey, notBefore: clock.now(), notAfter: clock.now() + HOUR },
      mesh,
    );
    const service = readChannelKey(text, mesh.publicKeyText, 'policy', clock.now())!;
    const key = await importChannelKey(service, privateKey);
    const open = makeOpenRequest({ meshId: 'mesh', privateKey: () => key, clock });
    const own = makeSigningKey().key;
    const request: SessionRequest = proveSessionRequest(
      { v: 1, ...certified, channelKey: own.publicKeyText, token: 'x.y.z' },
      own,
    );
    const seal = async (bytes: Uint8Array) =>
      (await sealRequest(openSession.name, service, bytes, clock)).sealed;
    expect(await open(service.keyId, await seal(utf8(JSON.stringify(request))))).toEqual(request);
    const valid = Buffer.from(await seal(utf8(JSON.stringify(request))), 'base64url');
    const codes = new Set<string>();
    const outcome = async (sealed: string): Promise<string> => {
      try {
        return (await open(service.keyId, sealed)).channelKey === own.publicKeyText ? 'read' : 'another';
      } catch (error) {
        return KeymeshError.is(error) ? error.code : `not ours: ${String(error)}`;
      }
    };
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        codes.add(await outcome(spoil(valid, changes).toString('base64url')));
        codes.add(
          await outcome(await seal(Uint8Array.from(spoil(Buffer.from(JSON.stringify(request)), changes)))),
        );
      }),
      { seed: SEED, numRuns: 500 },
    );
    // `read` for what decodes to the same, as base64 does now and then; never anything else.
    for (const code of codes) expect(['read', 'IDENTITY_REJECTED', 'CHANNEL_REJECTED']).toContain(code);
    expect([...codes]).toEqual(expect.arrayContaining(['IDENTITY_REJECTED', 'CHANNEL_REJECTED']));
  });
});
