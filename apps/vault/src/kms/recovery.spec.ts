import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { writeRecoveryFiles, type RecoveryFiles } from '../../test/support/recovery-files.js';
import { makeRecoveryKms } from './recovery.js';

const context = { purpose: 'keymesh/v1/kek', namespaceId: 'n1', kekId: 'k1', kekVersion: '1' };
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');
const told = (code: string, sentence: RegExp): unknown =>
  expect.objectContaining({ code, publicMessage: expect.stringMatching(sentence) });

describe('the recovery KMS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-recovery-'));
  let files: RecoveryFiles;
  let other: RecoveryFiles;
  const open = (...shares: number[]) =>
    makeRecoveryKms({
      publicKeyFile: files.publicKeyFile,
      shareFiles: shares.map((at) => files.shareFiles[at - 1]!),
    });

  beforeAll(async () => {
    files = await writeRecoveryFiles(join(folder, 'a'), { shares: 5, threshold: 3 });
    other = await writeRecoveryFiles(join(folder, 'b'), { shares: 5, threshold: 3 });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('wraps without shares, says that it only wraps, and unwraps with enough of them', async () => {
    const wrapped = await open().wrapKey(key(), context);
    expect(open().wrapsOnly).toBe(true);
    const error = await expectCode(open().unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
    expect(error.details).toEqual({ kms: 'recovery', error: 'no shares: it only wraps' });
    const able = open(5, 1, 3);
    expect(able.wrapsOnly).toBeUndefined();
    expect((await able.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    expect((await able.unwrapKey(wrapped, context)).equals(key())).toBe(true); // joined once, used again
    await expectCode(able.unwrapKey(wrapped, { ...context, kekVersion: '2' }), 'DECRYPTION_FAILED');
  });

  it('unwraps nothing after it was told to let go of the key, joined already or not', async () => {
    const wrapped = await open().wrapKey(key(), context);
    const [used, unused] = [open(1, 2, 3), open(1, 2, 3)];
    await used.unwrapKey(wrapped, context);
    for (const kms of [used, unused]) {
      kms.dispose?.();
      await expectCode(kms.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
    }
    expect((await open(1, 2, 3).unwrapKey(wrapped, context)).equals(key())).toBe(true);
  });

  it('refuses at once shares that are too few, doubled or of another key', () => {
    expect(() => open(1, 2)).toThrow(told('RECOVERY_SHARES_INVALID', /^2 of 3 needed/));
    expect(() => open(1, 2, 2)).toThrow(told('RECOVERY_SHARES_INVALID', /given twice/));
    const { publicKeyFile } = files;
    const foreign = () => makeRecoveryKms({ publicKeyFile, shareFiles: other.shareFiles.slice(0, 3) });
    expect(foreign).toThrow(told('RECOVERY_SHARES_INVALID', /another recovery key/));
  });

  it('takes only share files that nobody else may read, and says which rule is broken', () => {
    const loose = join(folder, 'loose.share');
    writeFileSync(loose, 'keymesh-share-x', { mode: 0o600 });
    const one = { publicKeyFile: files.publicKeyFile, shareFiles: [loose] };
    expect(() => makeRecoveryKms(one)).toThrow(told('RECOVERY_SHARES_INVALID', /checksum/));
    chmodSync(loose, 0o644);
    expect(() => makeRecoveryKms(one)).toThrow(told('CONFIG_INVALID', /chmod 600/));
    expect(() => makeRecoveryKms({ ...one, shareFiles: [join(folder, 'none')] })).toThrow(
      told('CONFIG_INVALID', /not there/),
    );
    expect(() => makeRecoveryKms({ publicKeyFile: join(folder, 'none'), shareFiles: [] })).toThrow(
      told('CONFIG_INVALID', /PUBLIC_KEY_FILE: the file is not there/),
    );
    expect(() => makeRecoveryKms({ publicKeyFile: loose, shareFiles: [] })).toThrow(
      told('CONFIG_INVALID', /damaged/),
    );
  });
});
