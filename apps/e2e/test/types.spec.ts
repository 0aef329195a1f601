import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';

const text = ({ stdout }: CommandResult): string => stdout.toString();
const json = (result: CommandResult): unknown => JSON.parse(text(result));

describe('credential types, typed as a person would', () => {
  let mesh: RunningMesh;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keymesh-types-'));
    mesh = await startMesh();
  }, 300_000);
  afterAll(async () => {
    await mesh[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };

  it('are listed, and described with the policy of a namespace', async () => {
    expect(text(await mesh.cli(['type', 'list']))).toMatch(/tls_certificate .*certificate,private_key/);
    const described = json(await mesh.cli(['type', 'describe', 'api_key', '--json']));
    expect(described).toMatchObject({
      primaryPart: 'value',
      policy: { minLengthChars: 12, maxAgeDays: null },
    });
  }, 120_000);

  it('take several parts from files, and secret ones from nowhere else', async () => {
    const secret = randomBytes(30).toString('base64url');
    const store = ['store', 'apps/login', '--type', 'oauth_client', '--part', 'client_id=app-1'];
    const refused = await mesh.cli([...store, '--part', `client_secret=${secret}`]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).not.toContain(secret);
    const path = await file('secret', `${secret}\n`);
    expect(await mesh.cli([...store, '--part-file', `client_secret=${path}`])).toMatchObject({ code: 0 });
    expect(text(await mesh.cli(['retrieve', 'apps/login']))).toBe(secret);
    expect(text(await mesh.cli(['retrieve', 'apps/login', '--part', 'client_id']))).toBe('app-1');
  }, 120_000);

  it('generate keys that never were anywhere else', async () => {
    const store = ['store', 'keys/jwt', '--type', 'jwt_signing_key', '--generate', '--algorithm', 'EdDSA'];
    expect(json(await mesh.cli([...store, '--json']))).toMatchObject({ created: true, score: 100 });
    expect(text(await mesh.cli(['retrieve', 'keys/jwt', '--part', 'algorithm']))).toBe('EdDSA');
    expect(text(await mesh.cli(['retrieve', 'keys/jwt']))).toContain('BEGIN PRIVATE KEY');
  }, 120_000);

  it('refuse what does not belong together, and name part and rule', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const path = await file('key.pem', key);
    const store = [
      'store',
      'keys/bad',
      '--type',
      'jwt_signing_key',
      '--part',
      'algorithm=RS256',
      '--value-file',
      path,
    ];
    const refused = await mesh.cli(store);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/CREDENTIAL_VALUES_INVALID: The part algorithm must be that/);
  }, 120_000);

  it('judge a value without keeping it', async () => {
    const result = await mesh.cli(['type', 'check', 'username_password', '--username', 'ada', '--json'], {
      input: 'Summer-Summer-2024',
    });
    const quality = json(result) as { score: number; findings: { rule: string }[] };
    expect(quality.findings.map(({ rule }) => rule)).toContain('low-entropy');
    expect(quality.score).toBeLessThan(30);
    expect(text(await mesh.cli(['list']))).not.toContain('ada');
  }, 120_000);
});
