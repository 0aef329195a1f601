import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRootKms } from '../../src/kms/composite.js';
import { makeLocalKms } from '../../src/kms/local.js';
import { makeRecoveryKms } from '../../src/kms/recovery.js';
import { writeRecoveryFiles } from '../support/recovery-files.js';
import { describeKmsConformance } from './conformance.js';

const split = { shares: 3, threshold: 2 };

/** Two recovery keys and two master keys: of each, one is the right one and one is another. */
async function makeKeys() {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-root-'));
  const keys = await Promise.all(
    ['right', 'other'].map(async (name) => {
      const masterKeyFile = join(folder, `${name}.key`);
      await writeFile(masterKeyFile, randomBytes(32), { mode: 0o600 });
      return { masterKeyFile, recovery: await writeRecoveryFiles(join(folder, name), split) };
    }),
  );
  const [right, other] = keys as [(typeof keys)[0], (typeof keys)[0]];
  const recoveryOf = ({ recovery: { publicKeyFile, shareFiles } }: typeof right) =>
    makeRecoveryKms({ publicKeyFile, shareFiles: shareFiles.slice(1) });
  const shares = await Promise.all(right.recovery.shareFiles.map((file) => readFile(file, 'utf8')));
  return { right, other, recoveryOf, secrets: shares, stop: () => rm(folder, { recursive: true }) };
}

describeKmsConformance(
  'recovery',
  async () => {
    const { right, other, recoveryOf, secrets, stop } = await makeKeys();
    return { open: () => recoveryOf(right), openOtherKey: () => recoveryOf(other), secrets, stop };
  },
  { remote: false },
);

describeKmsConformance(
  'any-of',
  async () => {
    const { right, other, recoveryOf, secrets, stop } = await makeKeys();
    const anyOf = (keys: typeof right) =>
      makeRootKms({ mode: 'any-of', members: [makeLocalKms(keys), recoveryOf(keys)] });
    return { open: () => anyOf(right), openOtherKey: () => anyOf(other), secrets, stop };
  },
  { remote: false },
);
