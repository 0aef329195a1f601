import { describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLocalKms } from './local.js';
import { makeReopenedKms } from './reopened.js';

describe('a KMS that can be let go of', () => {
  it('is opened again by the next call, from its file: without it nothing unwraps', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymesh-reopened-'));
    const masterKeyFile = join(folder, 'master.key');
    writeFileSync(masterKeyFile, randomBytes(32), { mode: 0o600 });
    try {
      const kms = await makeReopenedKms(() => Promise.resolve().then(() => makeLocalKms({ masterKeyFile })));
      using key = new Secret(new Uint8Array(randomBytes(32)), 'key');
      const wrapped = await kms.wrapKey(key, { purpose: 'spec' });
      const unwrap = () => kms.unwrapKey(wrapped, { purpose: 'spec' });
      kms.forget();
      renameSync(masterKeyFile, `${masterKeyFile}.away`);
      await expectCode(unwrap(), 'CONFIG_INVALID');
      await expectCode(unwrap(), 'CONFIG_INVALID');
      renameSync(`${masterKeyFile}.away`, masterKeyFile);
      using read = await unwrap();
      expect(read.equals(key)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 30_000);

  it('is opened once for many calls, and told to let go of its root', async () => {
    let opened = 0;
    let disposed = 0;
    const kms = await makeReopenedKms(() => {
      opened += 1;
      return Promise.resolve({
        provider: 'spec',
        keyId: '1',
        wrapKey: () => Promise.resolve(new Uint8Array(1)),
        unwrapKey: () => Promise.reject(failure('DECRYPTION_FAILED')),
        dispose: () => void (disposed += 1),
      });
    });
    const wrap = () => kms.wrapKey(new Secret(new Uint8Array(32), 'key'), {});
    await Promise.all([wrap(), wrap()]);
    expect(opened).toBe(1);
    kms.forget();
    await Promise.all([wrap(), wrap()]);
    expect({ opened, disposed }).toEqual({ opened: 2, disposed: 1 });
  });
});
