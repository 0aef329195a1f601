import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { makeIdentity } from '@keymesh/client/transfer';
import fc from 'fast-check';
import { runKeymesh } from './support/keymesh-command.js';
import { makeTestHome } from './support/launched-mesh.js';

const PASSPHRASE = 'correct horse battery staple';
const value = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }),
  fc.string({ unit: 'binary', minLength: 1 }).map((text) => new TextEncoder().encode(text)),
  fc
    .constantFrom(
      '"quoted"',
      "it's",
      'a\r\nb\n',
      '\0',
      '\u{1f511} ключ',
      '{"$part":1}',
      '-----BEGIN X-----\n',
    )
    .map((text) => new TextEncoder().encode(text)),
  fc.constant(new Uint8Array(65_536).fill(0xa5)),
);

// One mesh, whose namespaces know nothing of each other: nothing in an export is of the mesh that it came from.
describe('what is exported and imported where there is nothing of it', () => {
  const home = makeTestHome();
  const folder = mkdtempSync(join(tmpdir(), 'keymesh export '));
  const passphraseFile = join(folder, 'passphrase');
  const open: Keymesh[] = [];
  let keymesh: Keymesh;
  const cli = (...args: string[]) => runKeymesh(home.home, args);

  beforeAll(async () => {
    writeFileSync(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
    const mesh = home.launch();
    await mesh.ready().catch(() => mesh.ready());
    keymesh = await connect({ home: home.home });
    open.push(keymesh);
  }, 600_000);
  afterAll(async () => {
    await Promise.all(open.map((connection) => connection.close()));
    await home.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  it('has the same values, whatever they are', async () => {
    let run = 0;
    const { identity, recipient } = await makeIdentity();
    const identityFile = join(folder, 'identity');
    writeFileSync(identityFile, `# a key\n${identity}\n`, { mode: 0o600 });
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
        const namespace = `run${String((run += 1))}`;
        const names = values.map((_, at) => `${namespace}/n${String(at)}`);
        const stored = await keymesh.credentials.batchStore(
          values.map((bytes, at) => ({ name: names[at] ?? '', type: 'generic', value: bytes, tags: ['t'] })),
        );
        expect(stored.every(({ outcome }) => outcome === 'stored')).toBe(true);
        const file = join(folder, `${namespace}.age`);
        const exported = await cli(
          'export',
          '--namespace',
          namespace,
          '--out',
          file,
          '--recipient',
          recipient,
        );
        expect([exported.code, exported.stderr]).toEqual([0, '']);
        const imported = await cli(
          'import',
          file,
          '--identity',
          identityFile,
          '--namespace',
          'copy',
          '--json',
        );
        expect([imported.code, imported.stderr]).toEqual([0, '']);
        expect(JSON.parse(imported.stdout)).toMatchObject({ taken: values.length, skipped: 0, failed: 0 });
        const results = await keymesh.credentials.batchRetrieve(names.map((name) => `copy/${name}`));
        for (const [at, result] of results.entries())
          expect(
            'credential' in result &&
              Buffer.from(result.credential.value.expose()).equals(values[at] ?? Buffer.of()),
          ).toBe(true);
        expect((await keymesh.credentials.describe(`copy/${names[0] ?? ''}`)).tags).toEqual(['t']);
      }),
      { numRuns: process.env.SLOW === '1' ? 20 : 2 },
    );
  }, 600_000);

  it('is a private file that holds no value in the clear, and opens with its passphrase only', async () => {
    const secret = randomBytes(40).toString('hex');
    await keymesh.credentials.store({ name: 'clear/one', type: 'generic', value: secret });
    const file = join(folder, 'clear.age');
    const exported = await cli(
      'export',
      '--namespace',
      'clear',
      '--out',
      file,
      '--passphrase-file',
      passphraseFile,
    );
    expect(exported.stdout).toBe(`Exported 1 credentials to ${file}.\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(file);
    expect(bytes.toString('latin1')).toMatch(/^age-encryption\.org\/v1\n/);
    expect(bytes.includes(secret)).toBe(false);

    const again = await cli('export', '--out', file, '--passphrase-file', passphraseFile);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--force')]);

    const wrong = join(folder, 'wrong');
    writeFileSync(wrong, 'another passphrase', { mode: 0o600 });
    const refused = await cli('import', file, '--passphrase-file', wrong, '--namespace', 'back');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('BUNDLE_INVALID')]);
    const cut = join(folder, 'cut.age');
    writeFileSync(cut, bytes.subarray(0, bytes.length - 1), { mode: 0o600 });
    const damaged = await cli('import', cut, '--passphrase-file', passphraseFile, '--namespace', 'back');
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringContaining('BUNDLE_INVALID')]);
    expect(await keymesh.credentials.list({ namespace: 'back' })).toEqual([]);
    const back = await cli('import', file, '--passphrase-file', passphraseFile, '--namespace', 'back');
    expect([back.code, back.stdout]).toEqual([0, 'Imported 1, skipped 0, failed 0.\n']);
    using same = await keymesh.credentials.retrieve('back/clear/one');
    expect(same.text()).toBe(secret);
  }, 300_000);

  it('files of other tools are imported line by line, or not at all when asked so', async () => {
    const secret = 'xV7!kq-Lw2#tZp-93';
    const env = join(folder, '.env');
    writeFileSync(env, `STRIPE_KEY='${secret}'\nbroken line ${secret}\nWEAK=x\n`);
    const dry = await cli('import', env, '--namespace', 'env', '--dry-run');
    expect(dry.stdout).toBe('Would import 1, skipped 0, failed 2.\n');
    expect(dry.stderr).toContain('can be read by others');
    expect(dry.stderr).toContain('✗ line 2 is not KEY=value.');
    expect(dry.stderr).toContain('✗ line 3 (env/weak): CREDENTIAL_WEAK');
    expect(dry.stderr).not.toContain(secret);
    expect(dry.code).toBe(2);
    const atomic = await cli('import', env, '--namespace', 'env', '--atomic');
    expect([atomic.code, atomic.stdout]).toEqual([2, 'Imported 0, skipped 0, failed 1.\n']);
    expect((await keymesh.credentials.list({ namespace: 'env' })).length).toBe(0);
    await cli('import', env, '--namespace', 'env');
    expect((await keymesh.credentials.list({ namespace: 'env' })).map(({ name }) => name)).toEqual([
      'env/stripe_key',
    ]);
    const again = await cli('import', env, '--namespace', 'env', '--on-conflict', 'skip');
    expect(again.stdout).toBe('Imported 0, skipped 1, failed 2.\n');

    const out = join(folder, 'app.env');
    const written = await cli('batch', 'retrieve', 'KEY=env/stripe_key', '--env', out);
    expect([written.code, written.stderr]).toEqual([0, '']);
    expect(readFileSync(out, 'utf8')).toBe(`KEY='${secret}'\n`);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const missing = await cli(
      'batch',
      'retrieve',
      'env/stripe_key',
      'env/none',
      '--out-dir',
      join(folder, 'd'),
    );
    expect([missing.code, missing.stderr]).toEqual([4, expect.stringContaining('env/none')]);
    const files = await cli('batch', 'retrieve', 'env/stripe_key', '--out-dir', join(folder, 'd'));
    expect(files.code).toBe(0);
    expect(readFileSync(join(folder, 'd', 'env', 'stripe_key', 'value'), 'utf8')).toBe(secret);
  }, 300_000);

  it('a credential begins with a template', async () => {
    const listed = await cli('template', 'list', '--json');
    expect((JSON.parse(listed.stdout) as { name: string }[]).map(({ name }) => name)).toContain('stripe');
    const key = join(folder, 'key');
    writeFileSync(key, 'xV7!kq-Lw2#tZp-93-0123456789', { mode: 0o600 });
    const stored = await cli('store', 'tpl/stripe', '--template', 'stripe', '--value-file', key);
    expect(stored.code).toBe(0);
    expect(await keymesh.credentials.describe('tpl/stripe')).toMatchObject({
      type: 'api_key',
      provider: 'stripe',
    });
    const made = await cli('store', 'tpl/hook', '--template', 'webhook', '--json');
    expect(made.code).toBe(0);
    expect(await keymesh.credentials.describe('tpl/hook')).toMatchObject({
      type: 'webhook_secret',
      tags: ['webhook'],
    });
    const none = await cli('template', 'show', 'nothing');
    expect([none.code, none.stderr]).toEqual([4, expect.stringContaining('TEMPLATE_NOT_FOUND')]);
  }, 300_000);
});
