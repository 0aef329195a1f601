import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parseLauncherConfig } from '../src/launcher/config.js';
import { homeAt } from '../src/launcher/home.js';
import { openBackup } from '../src/launcher/restore-mesh.js';

// The vault's own program reads a backup of format 1; no server is needed for that.
const GOLDEN = join(import.meta.dirname, 'golden', 'backup-v1');
const folder = mkdtempSync(join(tmpdir(), 'keymesh-pinned-'));
const home = homeAt(join(folder, 'home'));
const backups = join(folder, 'backups');

beforeAll(() => {
  for (const path of [home.root, backups]) mkdirSync(path, { mode: 0o700 });
  for (const name of readdirSync(GOLDEN)) copyFileSync(join(GOLDEN, name), join(backups, name));
  copyFileSync(join(GOLDEN, 'master.key'), home.masterKey);
  chmodSync(home.masterKey, 0o600);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pin(meshPublicKey: string): void {
  const operators = [{ name: 'operator', channelKey: meshPublicKey }];
  writeFileSync(
    home.trust,
    JSON.stringify({ v: 1, meshId: 'golden', meshPublicKey, bundlePublicKey: meshPublicKey, operators }),
  );
}

const open = () =>
  openBackup(
    {
      config: parseLauncherConfig({ KEYMESH_HOME: home.root, KEYMESH_BACKUP_TO: backups }, []),
      ...{ home, which: 'latest', say: () => undefined },
    },
    false,
  );

it('the key of the mesh that is pinned reaches whoever reads a backup, also one that begins with a dash', async () => {
  const { meshPublicKey } = await open();
  pin(meshPublicKey);
  expect(await open()).toMatchObject({ meshPublicKey });
  for (const first of ['A', '-', '_']) {
    pin(first + meshPublicKey.slice(1));
    if (first === meshPublicKey[0]) continue;
    await expect(open()).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
      message: expect.stringContaining('another mesh'),
    });
  }
}, 120_000);
