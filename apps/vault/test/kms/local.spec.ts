import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@keymesh/kernel';
import { makeLocalKms } from '../../src/kms/local.js';
import { describeKmsConformance } from './conformance.js';

describeKmsConformance(
  'local',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keymesh-local-'));
    const passphrase = randomBytes(12).toString('hex');
    const open = (name: string) =>
      makeLocalKms({
        masterKeyFile: join(folder, name),
        passphrase: Secret.fromText(passphrase, 'passphrase'),
      });
    for (const name of ['master.key', 'other.key'])
      await writeFile(join(folder, name), randomBytes(32), { mode: 0o600 });
    return {
      open: () => open('master.key'),
      openOtherKey: () => open('other.key'),
      secrets: [passphrase],
      stop: () => rm(folder, { recursive: true }),
    };
  },
  { remote: false },
);
