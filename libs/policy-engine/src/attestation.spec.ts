import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { BundleAttestation } from '@keymesh/contracts';
import { KeymeshError, Secret, signFor, signingKeyOf, toBase64Url } from '@keymesh/kernel';
import fc from 'fast-check';
import { bundleOf, codeOf, makeTestMesh } from '../test/fixtures.js';
import { bundleDigestOf, readAttestation, signAttestation } from './attestation.js';
import { signBundle } from './bundle.js';
import { canonicalBytes } from './statements.js';

const mesh = makeTestMesh();
const NONCE = toBase64Url(new Uint8Array(32).fill(9));
const bundle = signBundle(bundleOf([...mesh.genesis], { version: 7 }), mesh.bundleKey);
const attestation: BundleAttestation = {
  v: 1,
  meshId: mesh.trustRoot.meshId,
  version: 7,
  bundleDigest: bundleDigestOf(bundle),
  nonce: NONCE,
  at: '2026-11-26T12:00:00.000Z',
};
const text = signAttestation(attestation, mesh.bundleKey);
const read =
  (signed: string, nonce = NONCE) =>
  () =>
    readAttestation(signed, mesh.trustRoot, nonce);

describe('an attestation', () => {
  it('says which bundle is the newest, to who asked', () => {
    expect(read(text)()).toEqual(attestation);
  });

  it('is no answer to another question: an older one cannot be shown again', () => {
    expect(codeOf(read(text, toBase64Url(new Uint8Array(32).fill(8))))).toBe('POLICY_UNAVAILABLE');
  });

  it('is refused by another key, of another mesh, and as a bundle’s signature', () => {
    const payload = canonicalBytes(attestation);
    const asBundle = signFor('keymesh/v1/bundle', payload, mesh.bundleKey);
    for (const wrong of [
      signAttestation(attestation, mesh.operatorKey),
      signAttestation({ ...attestation, meshId: 'another' }, mesh.bundleKey),
      `${toBase64Url(payload)}.${toBase64Url(asBundle)}`,
      `${text}.${text}`,
      '',
    ])
      expect(codeOf(read(wrong))).toBe('POLICY_UNAVAILABLE');
  });

  it('is read or refused, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.base64String(), fc.base64String()).map((two) => two.join('.')),
        ),
        (any) => {
          try {
            read(any)();
          } catch (error) {
            expect(KeymeshError.is(error)).toBe(true);
          }
        },
      ),
    );
  });

  it('covers every bit of the bundle', () => {
    fc.assert(
      fc.property(fc.nat(bundle.length * 8 - 1), (bit) => {
        const other = Uint8Array.from(bundle);
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(bundleDigestOf(other)).not.toBe(attestation.bundleDigest);
      }),
    );
  });

  // Frozen: services of this release must understand the policy service of the next one, and the other way round.
  it('is still written and read as it was', () => {
    const FILE = new URL('../test/golden/attestation-1.json', import.meta.url);
    const key = signingKeyOf(new Secret(new Uint8Array(32).fill(2), 'golden-seed'));
    const said = { ...attestation, meshId: 'golden', bundleDigest: NONCE };
    const signed = signAttestation(said, key);
    if (process.env.WRITE_GOLDEN === 'true')
      writeFileSync(FILE, `${JSON.stringify({ attestation: signed }, null, 2)}\n`);
    const golden = JSON.parse(readFileSync(FILE, 'utf8')) as { attestation: string };
    expect(signed).toBe(golden.attestation);
    const trustRoot = { ...mesh.trustRoot, meshId: 'golden', bundlePublicKey: key.publicKeyText };
    expect(readAttestation(golden.attestation, trustRoot, NONCE)).toEqual(said);
  });
});
