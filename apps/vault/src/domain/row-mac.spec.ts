import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { aCredential } from '../../test/a-credential.js';
import type { Credential, CredentialVersion } from './credential.js';
import { makeRowSeal } from './row-mac.js';

const seal = makeRowSeal(new Secret(new Uint8Array(32).fill(3), 'key'));
const version: CredentialVersion = {
  credentialId: '1', version: 1, stage: 'current', dekId: 'd', kekId: 'k', kekVersion: 1, wrappedDek: new Uint8Array(1),
  ciphertext: new Uint8Array(1), createdBy: 'writer', createdAtMs: 1, rotationId: null, revision: 1,
}; // prettier-ignore

describe('the HMAC of a row', () => {
  it('breaks with any change of any column', () => {
    const row = aCredential({ rotation: { adapter: 'generated' } });
    const mac = seal.credentialMac(row);
    expect(seal.isCredential(row, mac)).toBe(true);
    for (const column of Object.keys(row) as (keyof Credential)[]) {
      for (const other of ['other', 7, null, ['x']]) {
        if (JSON.stringify(row[column]) === JSON.stringify(other)) continue;
        expect(seal.isCredential({ ...row, [column]: other }, mac)).toBe(false);
      }
    }
  });

  it('covers the stage of a version, and all of its row but what authenticates itself', () => {
    const mac = seal.versionMac(version);
    const covered = Object.keys(version).filter(
      (column) => column !== 'wrappedDek' && column !== 'ciphertext',
    );
    for (const column of covered) expect(seal.isVersion({ ...version, [column]: 'other' }, mac)).toBe(false);
  });

  it('does not depend on the order in which jsonb gives its keys back', () => {
    const one = aCredential({
      rotation: { adapter: 'postgres-role', settings: { host: 'h', port: 1 }, intervalSeconds: 9 },
    });
    const two = aCredential({
      rotation: { intervalSeconds: 9, settings: { port: 1, host: 'h' }, adapter: 'postgres-role' },
    });
    expect(seal.isCredential(two, seal.credentialMac(one))).toBe(true);
  });

  it('needs the key', () => {
    const other = makeRowSeal(new Secret(new Uint8Array(32).fill(4), 'key'));
    expect(other.isVersion(version, seal.versionMac(version))).toBe(false);
    expect(other.nameTag('a')).not.toBe(seal.nameTag('a'));
  });
});
