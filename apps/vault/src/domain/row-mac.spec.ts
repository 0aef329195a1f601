import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { aCredential } from '../../test/a-credential.js';
import type { Credential, CredentialVersion } from './credential.js';
import { makeRowSeal } from './row-mac.js';

const seal = makeRowSeal(new Secret(new Uint8Array(32).fill(3), 'key'));
const version: CredentialVersion = {
  credentialId: '1', version: 1, stage: 'current', dekId: 'd', kekId: 'k', kekVersion: 1, wrappedDek: new Uint8Array(1),
  ciphertext: new Uint8Array(1), createdBy: 'writer', createdAtMs: 1, rotationId: null, revision: 1,
  strengthScore: null, fingerprint: null, destroyedAtMs: null,
}; // prettier-ignore

describe('the HMAC of a row', () => {
  it('breaks with any change of any column', () => {
    const row = aCredential({ rotation: { adapter: 'generated' } });
    const mac = seal.credentialMac(row);
    expect(seal.isCredential(row, mac)).toBe(true);
    // The credential policy is laid over the row when it is read: no column.
    const columns = Object.keys(row).filter((name) => name !== 'policy') as (keyof Credential)[];
    for (const column of columns) {
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

  it('is the golden one: rows that were sealed must stay open for ever', () => {
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    const row = aCredential({
      rotation: { adapter: 'generated', intervalSeconds: 60 },
      tags: ['x', 'y'],
      provider: 'p',
    });
    expect(hex(seal.credentialMac(row))).toBe(
      'a9420461ef668bcaf7e55e5a6e1820000d13adc4b77d37635eeab9098d73064f',
    );
    expect(hex(seal.versionMac(version))).toBe(
      '489037c86eef2487a5eb8166555bc4d77764a778d19432b96d751b061482338a',
    );
    expect(seal.nameTag('billing/stripe')).toBe('gr_uQmXFCXRDcp4Tu__bgV9kji1KbTTLMzpf0AiJQQU');
  });

  it('needs the key', () => {
    const other = makeRowSeal(new Secret(new Uint8Array(32).fill(4), 'key'));
    expect(other.isVersion(version, seal.versionMac(version))).toBe(false);
    expect(other.nameTag('a')).not.toBe(seal.nameTag('a'));
  });
});
