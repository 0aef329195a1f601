import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeCertificate } from '@keymesh/testing';
import { runKeymesh, type CommandResult } from './support/keymesh-command.js';
import { makeTestHome } from './support/launched-mesh.js';

const issuerKey = generateKeyPairSync('ed25519').privateKey;
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A token as an issuer makes it, SOURCE: RFC 7515 section 3.1. */
function token(sub: string, lastsSeconds = 300): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: 'ci', aud: 'keymesh', sub, iat: now, exp: now + lastsSeconds };
  const input = `${part({ alg: 'EdDSA' })}.${part(claims)}`;
  return `${input}.${sign(null, Buffer.from(input), issuerKey).toString('base64url')}`;
}

describe('login by a token or a certificate on a running mesh', () => {
  const mesh = makeTestHome();
  beforeAll(async () => {
    await mesh.launch().ready();
  }, 400_000);
  afterAll(() => mesh.remove(), 60_000);

  const keymesh = (...args: string[]): Promise<CommandResult> => runKeymesh(mesh.home, args);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await keymesh(...args);
    if (code !== 0) throw new Error(`keymesh ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const file = async (name: string, content: string | object): Promise<string> => {
    const path = join(mesh.home, name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const enrol = async (name: string): Promise<void> => {
    const created = JSON.parse(await ok('principal', 'create', name, '--role', 'auditor', '--json')) as {
      token: string;
    };
    await ok('enrol', '--token', created.token);
  };
  const ruleFor = (principal: string, identity: object) => ({ ruleId: principal, principal, identity });
  const { x } = issuerKey.export({ format: 'jwk' });
  const pinned = { from: 'pinned', keys: [{ kty: 'OKP', crv: 'Ed25519', x }] };

  it('gives keys for a while, which do what their principal may and sign nothing', async () => {
    await enrol('ci');
    const identity = {
      kind: 'token',
      issuer: 'ci',
      audience: 'keymesh',
      claims: { sub: 'ci' },
      keys: pinned,
    };
    expect(await ok('identity-rule', 'put', await file('ci.json', ruleFor('ci', identity)))).toContain(
      'sub=ci',
    );
    const given = token('ci');
    const login = JSON.parse(
      await ok('login', '--token-file', await file('token', given), '--as', 'at-ci', '--json'),
    ) as { principal: string };
    expect(login).toMatchObject({ principal: 'ci', profile: 'at-ci' });
    expect(await ok('principal', 'list', '--profile', 'at-ci')).toContain('operator');
    // The vault knows these keys from the bundle, and nobody told it who they are but the operator's rule.
    await ok('type', 'list', '--profile', 'at-ci');
    await ok('list', '--profile', 'at-ci');
    const shown = JSON.parse(await ok('principal', 'show', 'ci', '--profile', 'at-ci', '--json')) as object;
    expect(shown).toMatchObject({ sessions: [{ ruleId: 'ci' }] });
    expect(await keymesh('grant', 'ci', 'operator', '--profile', 'at-ci')).toMatchObject({ code: 3 });
    expect(await readFile(join(mesh.home, 'profiles', 'at-ci.json'), 'utf8')).not.toContain(given.slice(-40));
    await ok('logout', '--profile', 'at-ci');
    expect(await keymesh('principal', 'list', '--profile', 'at-ci')).toMatchObject({ code: 3 });
  }, 400_000);

  it('needs no login with a lasting profile', async () => {
    await ok('login', '--token-file', await file('token', token('ci')), '--as', 'lasting', '--lasting');
    expect(await readFile(join(mesh.home, 'profiles', 'lasting.json'), 'utf8')).not.toContain('Seed');
    expect(await ok('principal', 'list', '--profile', 'lasting')).toContain('operator');
    await file('token', token('ci', -60));
    expect(await keymesh('principal', 'list', '--profile', 'lasting')).toMatchObject({ code: 3 });
  }, 400_000);

  it('takes a certificate under the rule’s authority', async () => {
    await enrol('workload');
    const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
    const spiffeId = 'spiffe://example.org/workload';
    const leaf = makeCertificate({ by: authority, names: [['uri', spiffeId]], usages: ['client'] });
    await file('authority.pem', authority.pem);
    const identity = { kind: 'certificate', authorityFile: 'authority.pem', spiffeId };
    await ok('identity-rule', 'put', await file('workload.json', ruleFor('workload', identity)));
    const [certificate, key] = [await file('leaf.pem', leaf.pem), await file('leaf.key', leaf.keyPem)];
    expect(await ok('login', '--certificate', certificate, '--key', key)).toContain('You are workload');
    expect(await ok('identity-rule', 'list')).toContain(spiffeId);
    await ok('identity-rule', 'remove', 'workload');
    expect(await keymesh('login', '--certificate', certificate, '--key', key)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('IDENTITY_REJECTED') as unknown,
    });
  }, 400_000);

  it('says what is wrong with a rule', async () => {
    const bad = await file('bad.json', {
      ruleId: 'bad',
      principal: 'ci',
      identity: { kind: 'token', issuer: 'x' },
    });
    expect(await keymesh('identity-rule', 'put', bad)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('identity.audience') as unknown,
    });
    expect(await keymesh('login')).toMatchObject({ code: 2 });
  }, 200_000);
});
