import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SayError, step } from './progress.mjs';
import { run, which } from './run.mjs';

// Project Wycheproof publishes its vectors in its repository, which is a Go module as well (Apache-2.0). Only the data is used.
const MODULE = 'github.com/c2sp/wycheproof';
const COMMIT = '3fa63dd0344a';
const VERSION = `v0.0.0-20260902155932-${COMMIT}`;
const DOWNLOAD_TIMEOUT_MS = 60_000;
/** SHA-256 of each file. */
const FILES = {
  'aes_gcm_test.json': '985e5ecc172e181eaf49e89508b9470dcf478002eb7e8559c707eb42dc97dfe7',
  'ed25519_test.json': '752d2ea7d7c6cf4736381b6cbacb61f8182b126ab7cd9b058f00c50084975536',
  'hkdf_sha256_test.json': 'bb2b462a38b251cb52a2aede706d6d4b62b26864f4e80c95497507ddb07c5f1e',
  'hkdf_sha512_test.json': 'bb9a21f4e86041caf5d7792b030349f8ff289087f195b2fbc0fc0afc39deca6f',
  'pbkdf2_hmacsha256_test.json': '1bf37af2cefe40c829ee9ecebb3505bb6424be8824bc97aa3e1c2076e860d192',
  'x25519_test.json': '35c3f5231cf25cc640b524d403461deee9e49441d5d915a3a25b2c8ff5adbe7d',
};

/**
 * Provides Wycheproof's vectors: KEYMESH_WYCHEPROOF, the project's cache, the Go module where there is Go, else the repository's files.
 * @param {{ root: string }} options
 * @returns {Promise<string>} the folder of the vectors' files.
 */
export async function provideWycheproof({ root }) {
  const given = process.env.KEYMESH_WYCHEPROOF;
  if (given !== undefined && given !== '') return given;
  const tools = join(root, '.keymesh-tools');
  const target = join(tools, 'wycheproof', VERSION);
  if (Object.keys(FILES).every((name) => existsSync(join(target, name)))) return target;
  return step("Getting Wycheproof's vectors", async () => {
    await mkdir(join(tools, 'wycheproof'), { recursive: true });
    const folder = await mkdtemp(join(tools, 'getting-'));
    try {
      const get = which('go') === undefined ? fromRepository : await fromGo(folder);
      await mkdir(join(folder, 'vectors'));
      for (const [name, sha256] of Object.entries(FILES)) {
        const bytes = await get(name);
        if (createHash('sha256').update(bytes).digest('hex') !== sha256)
          throw new SayError(`Wycheproof's ${name} does not have the checksum that is pinned.`);
        await writeFile(join(folder, 'vectors', name), bytes);
      }
      // Last, and at once: a folder that was left half made is made again.
      await rm(target, { recursive: true, force: true });
      await rename(join(folder, 'vectors'), target);
      return target;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

async function fromGo(folder) {
  const text = await run('go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`], { cwd: folder });
  const { Dir } = JSON.parse(text);
  return (name) => readFile(join(Dir, 'testvectors_v1', name));
}

async function fromRepository(name) {
  const url = `https://raw.githubusercontent.com/C2SP/wycheproof/${COMMIT}/testvectors_v1/${name}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) }).catch((error) => {
    throw new SayError(
      `Wycheproof's vectors cannot be had: ${new URL(url).host} cannot be reached (${error.cause?.code ?? error.name}). Install Go, or set KEYMESH_WYCHEPROOF to a folder of them.`,
    );
  });
  if (!response.ok) throw new SayError(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
