import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SayError, step } from './progress.mjs';
import { run, which } from './run.mjs';

// Project Wycheproof publishes its vectors as a Go module (Apache-2.0). Only the data is used.
const MODULE = 'github.com/c2sp/wycheproof';
const VERSION = 'v0.0.0-20260902155932-3fa63dd0344a';
const MODULE_SUM = 'h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c=';
const ZIP_SHA256 = '2bf812135610eccf6edd097546789499a3bbe6a1f71aa7a03915fd707d64d5d9';
const DOWNLOAD_TIMEOUT_MS = 300_000;
const FILES = ['aes_gcm', 'ed25519', 'hkdf_sha256', 'hkdf_sha512', 'pbkdf2_hmacsha256', 'x25519'].map(
  (name) => `${name}_test.json`,
);

/**
 * Provides Wycheproof's vectors: KEYMESH_WYCHEPROOF, the project's cache, or the Go module, by go or from its proxy.
 * @param {{ root: string }} options
 * @returns {Promise<string>} the folder of the vectors' files.
 */
export async function provideWycheproof({ root }) {
  const given = process.env.KEYMESH_WYCHEPROOF;
  if (given !== undefined && given !== '') return given;
  const tools = join(root, '.keymesh-tools');
  const target = join(tools, 'wycheproof', VERSION);
  if (FILES.every((name) => existsSync(join(target, name)))) return target;
  return step("Getting Wycheproof's vectors", async () => {
    await mkdir(join(tools, 'wycheproof'), { recursive: true });
    const folder = await mkdtemp(join(tools, 'getting-'));
    try {
      const module = which('go') === undefined ? await fromProxy(folder) : await fromGo(folder);
      await mkdir(join(folder, 'vectors'));
      for (const name of FILES)
        await copyFile(join(module, 'testvectors_v1', name), join(folder, 'vectors', name));
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
  const { Dir, Sum } = JSON.parse(text);
  if (Sum !== MODULE_SUM)
    throw new SayError("Wycheproof's module does not have the checksum that is pinned.");
  return Dir;
}

async function fromProxy(folder) {
  const url = `https://proxy.golang.org/${MODULE}/@v/${VERSION}.zip`;
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) }).catch((error) => {
    throw new SayError(
      `Wycheproof's vectors cannot be had: ${new URL(url).host} cannot be reached (${error.cause?.code ?? error.name}). Install Go, or set KEYMESH_WYCHEPROOF to a folder of them.`,
    );
  });
  if (!response.ok) throw new SayError(`${url} answered ${response.status}`);
  const zip = Buffer.from(await response.arrayBuffer());
  if (createHash('sha256').update(zip).digest('hex') !== ZIP_SHA256)
    throw new SayError("Wycheproof's archive does not have the checksum that is pinned.");
  await writeFile(join(folder, 'module.zip'), zip);
  await run('python3', ['-m', 'zipfile', '-e', join(folder, 'module.zip'), join(folder, 'module')]);
  return join(folder, 'module', `${MODULE}@${VERSION}`);
}
