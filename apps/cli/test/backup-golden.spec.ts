import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { connect } from '@keymesh/client';
import { fsck } from './support/fsck.js';
import { runKeymesh } from './support/keymesh-command.js';
import { makeTestHome } from './support/launched-mesh.js';

// A backup of format 1 that was made at an earlier level of the tables: before key jobs, leases and whatever came after. It must come back
// for ever. Its master key stands beside it; the mesh that it is of never held anything else.
const GOLDEN = join(import.meta.dirname, 'golden', 'backup-v1');
const VALUES = ['golden value 1 of backup format 1\n', 'golden value 2 of backup format 1\n'];

const mesh = makeTestHome();
const folder = mkdtempSync(join(tmpdir(), 'keymesh-golden-'));
afterAll(async () => {
  await mesh.remove();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

it('a backup made by an earlier level of the tables comes back to a mesh that works', async () => {
  mkdirSync(mesh.home, { recursive: true, mode: 0o700 });
  // Copies: git keeps no mode 0600, and retention must not touch the golden file.
  for (const name of readdirSync(GOLDEN)) copyFileSync(join(GOLDEN, name), join(folder, name));
  copyFileSync(join(GOLDEN, 'master.key'), join(mesh.home, 'master.key'));
  chmodSync(join(mesh.home, 'master.key'), 0o600);

  const restored = await runKeymesh(mesh.home, [
    'backup',
    'restore',
    '--to',
    folder,
    '--without-later-records',
  ]);
  expect(restored).toMatchObject({ code: 0 });
  await mesh.launch().ready(300_000);
  const keymesh = await connect({ home: mesh.home });
  for (const [at, value] of VALUES.entries()) {
    using found = await keymesh.credentials.retrieve('golden/first', { version: at + 1 });
    expect(Buffer.from(found.value.expose()).toString()).toBe(value);
  }
  using generated = await keymesh.credentials.retrieve('golden/generated');
  expect(generated.value.sizeBytes).toBeGreaterThan(16);
  await expect(keymesh.credentials.retrieve('golden/gone')).rejects.toMatchObject({
    code: 'CREDENTIAL_NOT_FOUND',
  });
  // Nobody knows which numbers were given after it: they are skipped.
  const next = await keymesh.credentials.store({
    ...{ name: 'golden/first', type: 'generic', value: 'the next one', expectedVersion: 'any' },
  });
  expect(next.version).toBe(2 + 1_000_000 + 1);
  await keymesh.close();
  const principals = await runKeymesh(mesh.home, ['principal', 'list', '--json']);
  expect(JSON.parse(principals.stdout)).toEqual(
    expect.arrayContaining([expect.objectContaining({ name: 'eve', status: 'disabled' })]),
  );
  expect(await fsck(mesh.home, 'vault')).toMatchObject({ code: 0 });
  expect(await fsck(mesh.home, 'audit')).toMatchObject({ code: 0 });
}, 600_000);
