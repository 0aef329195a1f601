import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { homeFiles } from './home-files.js';

const home = mkdtempSync(join(tmpdir(), 'keymesh-home-files-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('what makes the mesh itself goes in; nothing that opens the backup, and nothing that is made again', () => {
  const put = (path: string): string => {
    mkdirSync(join(home, path, '..'), { recursive: true });
    writeFileSync(join(home, path), path);
    return join(home, path);
  };
  for (const path of [
    'trust.json',
    'genesis.json',
    'profiles/operator.json',
    'secrets/vault/nats.seed',
    'secrets/audit/checkpoint.seed',
  ])
    put(path);
  const passphrase = put('secrets/vault/root.passphrase');
  const shares = put('profiles/recovery.shares');
  for (const path of [
    'master.key',
    'services/vault/master.key',
    'secrets/vault/master.key',
    'secrets/vault/state.key',
    'postgres/data',
    'logs/x.log',
    'mesh.json',
    'run/x',
    'secrets/vault/nats.seed.unfinished',
  ])
    put(path);
  symlinkSync(passphrase, join(home, 'link'));

  const files = [...homeFiles(home, [join(home, 'link'), shares, join(home, 'not there')])];
  expect(files.map(({ path }) => path)).toEqual([
    'trust.json',
    'genesis.json',
    'secrets/audit/checkpoint.seed',
    'secrets/vault/nats.seed',
    'profiles/operator.json',
  ]);
  expect([...homeFiles(undefined, [])]).toEqual([]);
});
