import { constants, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { certificateProofBytes, type BundleSession, type CertificateIdentity } from '@keymesh/contracts';
import { HOUR, MINUTE, toBase64Url } from '@keymesh/kernel';
import { foldStatements, refuseCertificate, signStatement, spiffeIdOf } from '@keymesh/policy-engine';
import {
  makeCertificate,
  makeTestClock,
  makeTestPrincipal,
  type CertificateOptions,
  type TestCertificate,
} from '@keymesh/testing';
import { grant, makeBookMesh } from '../../test/support/invitations.js';

const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
const SPIFFE = 'spiffe://example.org/ns/payments/sa/billing';
const bySpiffe: CertificateIdentity = { kind: 'certificate', authority: authority.pem, spiffeId: SPIFFE };
const byName: CertificateIdentity = { kind: 'certificate', authority: authority.pem, commonName: 'billing' };
const keys = { meshId: 'mesh', nkey: `U${'A'.repeat(55)}`, channelKey: 'A'.repeat(43) };

const issue = (over: CertificateOptions = {}): TestCertificate =>
  makeCertificate({
    commonName: 'billing',
    by: authority,
    names: [['uri', SPIFFE]],
    usages: ['client'],
    ...over,
  });

function prove(leaf: TestCertificate, { chain = [leaf], over = keys, notAfterMs = Date.now() + HOUR } = {}) {
  const notAfter = new Date(notAfterMs).toISOString();
  const key = createPrivateKey(leaf.keyPem);
  const signature = sign(
    key.asymmetricKeyType === 'ed25519' ? null : 'sha256',
    certificateProofBytes(over, notAfter),
    key.asymmetricKeyType === 'rsa'
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
      : { key },
  );
  return {
    chain: chain.map(({ der }) => der.toString('base64')),
    notAfter,
    signature: toBase64Url(new Uint8Array(signature)),
  };
}
const refusal = (leaf: TestCertificate, identity = bySpiffe, nowMs = Date.now()) =>
  refuseCertificate(identity, keys, prove(leaf), nowMs);

describe('a certificate under the pinned authority', () => {
  it.each(['ec', 'rsa', 'ed25519'] as const)(
    'with a key of kind %s vouches for the keys that it signed',
    (key) => {
      expect(refusal(issue({ key }))).toBeUndefined();
      expect(refusal(issue({ key }), byName)).toBeUndefined();
    },
  );

  it('may have one authority between, and not two', () => {
    const middle = makeCertificate({ commonName: 'middle', by: authority, isAuthority: true });
    const leaf = issue({ by: middle });
    expect(
      refuseCertificate(bySpiffe, keys, prove(leaf, { chain: [leaf, middle] }), Date.now()),
    ).toBeUndefined();
    expect(refusal(leaf)).toBe('authority');
    const no = makeCertificate({ commonName: 'middle', by: authority });
    const under = issue({ by: no });
    expect(refuseCertificate(bySpiffe, keys, prove(under, { chain: [under, no] }), Date.now())).toBe(
      'authority',
    );
  });

  const impostor = makeCertificate({ commonName: 'authority', isAuthority: true });
  it.each<[string, () => TestCertificate, string, CertificateIdentity?]>([
    ['of another authority of the same name', () => issue({ by: impostor }), 'authority'],
    [
      'that signed itself',
      () => makeCertificate({ commonName: 'billing', names: [['uri', SPIFFE]] }),
      'authority',
    ],
    ['that is over', () => issue({ notAfter: new Date(Date.now() - MINUTE) }), 'not-valid-now'],
    ['that does not hold yet', () => issue({ notBefore: new Date(Date.now() + MINUTE) }), 'not-valid-now'],
    ['for servers', () => issue({ usages: ['server'] }), 'usage'],
    ['that is an authority itself', () => issue({ isAuthority: true }), 'usage'],
    ['with a weak key', () => issue({ key: 'rsa-1024' }), 'usage'],
    ['with a curve that is not on the list', () => issue({ key: 'p384' }), 'usage'],
    ['of another SPIFFE id', () => issue({ names: [['uri', `${SPIFFE}-2`]] }), 'identity'],
    ['without one', () => issue({ names: [] }), 'identity'],
    [
      'with two',
      () =>
        issue({
          names: [
            ['uri', SPIFFE],
            ['uri', 'spiffe://example.org/x'],
          ],
        }),
      'identity',
    ],
    ['that names it as a host', () => issue({ names: [['dns', SPIFFE]] }), 'identity'],
    ['that hides it in another name', () => issue({ names: [['dns', `a, URI:${SPIFFE}`]] }), 'identity'],
    ['that hides it in an address', () => issue({ names: [['email', `"x", URI:${SPIFFE}`]] }), 'identity'],
    ['with a byte more', () => issue({ names: [['uri', `${SPIFFE}\0`]] }), 'identity'],
    ['of another common name', () => issue({ commonName: 'other' }), 'identity', byName],
    [
      'of a common name with more in it',
      () => issue({ commonName: 'billing\nCN=billing' }),
      'identity',
      byName,
    ],
  ])('%s vouches for nothing', (_what, make, refused, identity = bySpiffe) => {
    expect(refusal(make(), identity)).toBe(refused);
  });

  it('vouches for exactly these keys, in this mesh, until then', () => {
    const leaf = issue();
    const proof = prove(leaf);
    const isGood = (over: object, changed = {}): boolean =>
      refuseCertificate(bySpiffe, { ...keys, ...over }, { ...proof, ...changed }, Date.now()) === undefined;
    expect(isGood({})).toBe(true);
    for (const over of [{ meshId: 'other' }, { nkey: `U${'B'.repeat(55)}` }, { channelKey: 'B'.repeat(43) }])
      expect(isGood(over)).toBe(false);
    expect(isGood({}, { notAfter: new Date(Date.now() + 2 * HOUR).toISOString() })).toBe(false);
    expect(isGood({}, { signature: prove(issue()).signature })).toBe(false);
    expect(isGood({}, { signature: 'AAAA' })).toBe(false);
    expect(isGood({}, { chain: ['AAAA'] })).toBe(false);
  });
});

describe('the SPIFFE id of a certificate', () => {
  it('is read where names with everything in them stand beside it', () => {
    const names = [
      ['dns', 'a.example'],
      ['email', 'a@b'],
      ['uri', SPIFFE],
      ['ip', '192.0.2.1'],
    ] as const;
    expect(spiffeIdOf(new X509Certificate(issue({ names }).pem))).toBe(SPIFFE);
    const odd = [
      ['dns', 'a", "b'],
      ['uri', SPIFFE],
      ['dns', ', URI:spiffe://x/y, '],
    ] as const;
    expect(spiffeIdOf(new X509Certificate(issue({ names: odd }).pem))).toBe(SPIFFE);
  });
});

describe('a session by a certificate, as every reader of the bundle sees it', () => {
  const clock = makeTestClock(Date.now());
  const mesh = makeBookMesh(clock);
  const billing = makeTestPrincipal('billing', ['reader']);
  const meshId = mesh.trustRoot.meshId;
  const rule = signStatement(
    {
      v: 1,
      meshId,
      statementId: randomUUID(),
      issuedAt: new Date(clock.now()).toISOString(),
      issuer: 'operator',
      type: 'identity-rule.set',
      ruleId: 'spiffe',
      rule: { principal: 'billing', identity: bySpiffe, maxSessionSeconds: 3_600, privileged: false },
      basedOn: null,
    },
    mesh.operator.signingKey,
  );
  const directory = foldStatements(
    mesh.trustRoot,
    [...mesh.genesis, grant(meshId, billing, mesh.operator, clock), rule],
    { clock },
  );
  const own = makeTestPrincipal('session');
  const sessionKeys = { meshId, nkey: own.publicNkey, channelKey: own.signingKey.publicKeyText };
  const session = (over: Partial<BundleSession> = {}): BundleSession => ({
    ...{
      principal: 'billing',
      ruleId: 'spiffe',
      nkey: own.publicNkey,
      channelKey: own.signingKey.publicKeyText,
    },
    openedAt: new Date(clock.now()).toISOString(),
    expiresAt: new Date(clock.now() + 30 * MINUTE).toISOString(),
    certificate: prove(issue(), { over: sessionKeys }),
    ...over,
  });
  const isGood = (over: Partial<BundleSession> = {}): boolean => {
    const said = session(over);
    return directory.withSessions([said]).isChannelKeyOf('billing', said.channelKey);
  };

  it('counts by the certificate’s signature, whoever made the bundle', () => {
    expect(isGood()).toBe(true);
  });

  it('cannot be made, moved to other keys, or made longer by a policy service that has been taken over', () => {
    const thief = makeTestPrincipal('thief');
    const { certificate: _none, ...without } = session();
    expect(directory.withSessions([without]).sessions()).toEqual([]);
    expect(isGood({ channelKey: thief.signingKey.publicKeyText })).toBe(false);
    expect(isGood({ nkey: thief.publicNkey })).toBe(false);
    const stolen = prove(makeCertificate({ names: [['uri', SPIFFE]] }), { over: sessionKeys });
    expect(isGood({ certificate: stolen })).toBe(false);
    const short = prove(issue(), { over: sessionKeys, notAfterMs: clock.now() + 20 * MINUTE });
    expect(isGood({ certificate: short })).toBe(false);
    const ending = issue({ notAfter: new Date(clock.now() + 20 * MINUTE) });
    expect(isGood({ certificate: prove(ending, { over: sessionKeys }) })).toBe(false);
  });
});
