import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, describe, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { makeAzureKeyVaultKms } from '../../src/kms/azure-key-vault.js';
import { makeGcpKms } from '../../src/kms/gcp-kms.js';
import type { Kms } from '../../src/kms/kms.js';
import { makePkcs11Kms } from '../../src/kms/pkcs11.js';
import { makeVaultTransitKms } from '../../src/kms/vault-transit.js';
import { startAzureStub } from '../support/azure-stub.js';
import { startGcpStub } from '../support/gcp-stub.js';
import { startOpenBao } from '../support/open-bao.js';
import { importScript, startSoftHsm } from '../support/softhsm.js';

interface Golden {
  readonly context: Readonly<Record<string, string>>;
  /** Hex. */
  readonly key: string;
  readonly pkcs11: { readonly aes: string; readonly wrapped: string };
  readonly 'vault-transit': { readonly backup: string; readonly wrapped: string };
  readonly 'azure-key-vault': {
    readonly version: string;
    /** PKCS #8, DER, base64. */
    readonly rsa: string;
    readonly aes: string;
    readonly 'RSA-OAEP-256': string;
    readonly A256KW: string;
  };
  readonly 'gcp-kms': { readonly aes: string; readonly wrapped: string };
}

const golden = JSON.parse(
  readFileSync(new URL('../golden/kms-providers-v1.json', import.meta.url), 'utf8'),
) as Golden;

const expectOpens = async (kms: Kms, wrapped: string): Promise<void> => {
  const opened = await kms.unwrapKey(Uint8Array.from(Buffer.from(wrapped, 'hex')), golden.context);
  expect(Buffer.from(opened.expose()).toString('hex')).toBe(golden.key);
};

describe('what a KMS has wrapped once opens for ever', () => {
  it('in a PKCS#11 token', async () => {
    const hsm = await startSoftHsm();
    try {
      await hsm.administer(importScript('golden', golden.pkcs11.aes));
      const { module, tokenLabel, environment } = hsm;
      const pin = Secret.fromText(hsm.pin, 'pin');
      const kms = makePkcs11Kms({ module, tokenLabel, environment, pin, keyLabel: 'golden' });
      await expectOpens(kms, golden.pkcs11.wrapped);
    } finally {
      await hsm.stop();
    }
  });

  it('in the transit engine', async () => {
    const bao = await startOpenBao();
    try {
      await bao.api('POST', 'transit/restore/golden', { backup: golden['vault-transit'].backup });
      const tokenFile = await bao.file('token', await bao.tokenFor('golden'));
      const auth = { method: 'token', tokenFile } as const;
      const kms = makeVaultTransitKms({ address: bao.address, key: 'golden', mount: 'transit', auth });
      await expectOpens(kms, golden['vault-transit'].wrapped);
    } finally {
      await bao.stop();
    }
  }, 60_000);

  it('in Azure Key Vault and Managed HSM', async () => {
    const azure = await startAzureStub();
    try {
      const { version, rsa, aes, ...wrapped } = golden['azure-key-vault'];
      const privateKey = createPrivateKey({ key: Buffer.from(rsa, 'base64'), format: 'der', type: 'pkcs8' });
      const both = { privateKey, publicKey: createPublicKey(privateKey) };
      azure.rotate('golden', { version, rsa: both, aes: Buffer.from(aes, 'hex') });
      for (const algorithm of ['RSA-OAEP-256', 'A256KW'] as const)
        await expectOpens(makeAzureKeyVaultKms(azure.options('golden', algorithm)), wrapped[algorithm]);
    } finally {
      await azure.http.stop();
    }
  });

  it('in Google Cloud KMS', async () => {
    const gcp = await startGcpStub();
    try {
      const kms = makeGcpKms(gcp.options('golden', Buffer.from(golden['gcp-kms'].aes, 'hex')));
      await expectOpens(kms, golden['gcp-kms'].wrapped);
    } finally {
      await gcp.http.stop();
    }
  });
});
