import { generateKeyPairSync, sign } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, makeCertificate } from '@keymesh/testing';
import { ROOT, runKeymesh, type CommandResult } from './support/keymesh-command.js';
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
    expect(await keymesh('principal', 'rotate-key', '--profile', 'at-ci')).toMatchObject({ code: 2 });
    expect(await readdir(join(mesh.home, 'pending'))).toEqual([]);
    await ok('logout', '--profile', 'at-ci');
    expect(await keymesh('principal', 'list', '--profile', 'at-ci')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('keymesh login') as unknown,
    });
  }, 400_000);

  it('needs no login with a lasting profile', async () => {
    const tokenFile = await file('token', token('ci'));
    await ok('login', '--token-file', relative(ROOT, tokenFile), '--as', 'lasting', '--lasting');
    const profile = await readFile(join(mesh.home, 'profiles', 'lasting.json'), 'utf8');
    expect(profile).not.toContain('Seed');
    // It is used from other folders than this.
    expect(JSON.parse(profile)).toMatchObject({ identity: { tokenFile } });
    expect(await ok('principal', 'list', '--profile', 'lasting')).toContain('operator');
    await file('token', token('ci', -60));
    expect(await keymesh('principal', 'list', '--profile', 'lasting')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('ended at') as unknown,
    });
    await eventually(
      async () => {
        const log = (await ok('audit', 'export')).split('\n');
        const at = log.findIndex((leaf) => leaf.includes('"reason":"expired"'));
        expect(at).toBeGreaterThan(-1);
        const told = await ok('audit', 'tail', '--from', String(at), '--count', '1');
        expect(told).toContain('IDENTITY_REJECTED (expired)');
      },
      { timeoutMs: 60_000 },
    );
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
    expect(await keymesh('identity-rule', 'put', await file('text.json', 'text'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('not JSON') as unknown,
    });
  }, 200_000);

  it('writes a profile nowhere but among the profiles, and opens no session for another', async () => {
    const given = await file('token', token('ci'));
    expect(await keymesh('login', '--token-file', given, '--as', '../elsewhere')).toMatchObject({ code: 2 });
    expect(await readdir(mesh.home)).not.toContain('elsewhere.json');
    const shown = JSON.parse(await ok('principal', 'show', 'ci', '--json')) as { sessions: unknown[] };
    const before = shown.sessions.length;
    expect(await keymesh('login', '--token-file', given, '--as', '')).toMatchObject({ code: 2 });
    const after = JSON.parse(await ok('principal', 'show', 'ci', '--json')) as { sessions: unknown[] };
    expect(after.sessions).toHaveLength(before);
  }, 200_000);

  it('enrols by the right token after a try with a mistyped name', async () => {
    const created = JSON.parse(await ok('principal', 'create', 'late', '--role', 'reader', '--json')) as {
      token: string;
    };
    const mistyped = created.token.replace('.late.', '.later.');
    expect(await keymesh('enrol', '--token', mistyped)).toMatchObject({ code: 3 });
    await ok('enrol', '--token', created.token);
    await ok('list', '--profile', 'late');
  }, 200_000);

  it('does not disable whoever asks, whose connection would end before the answer', async () => {
    expect(await keymesh('principal', 'disable', 'operator')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('That is you') as unknown,
    });
    await ok('principal', 'list');
  }, 200_000);

  it('says so when a kill switch stops whoever set it, before the answer', async () => {
    const created = JSON.parse(
      await ok('principal', 'create', 'secu', '--kind', 'operator', '--role', 'security-admin', '--json'),
    ) as { token: string };
    await ok('enrol', '--token', created.token);
    const everyone = ['kill-switch', '--everyone', '--reason', 'drill', '--profile', 'secu'];
    const stopped = await keymesh(...everyone);
    expect(stopped.code).not.toBe(0);
    expect(stopped.stderr).toContain('stops you too');
    const [set] = JSON.parse(await ok('kill-switch', 'list', '--json')) as { killId: string }[];
    await ok('kill-switch', 'lift', set?.killId ?? '');
    await ok('list', '--profile', 'secu');
    expect(await keymesh('kill-switch', 'lift', 'garbage')).toMatchObject({ code: 2 });
  }, 200_000);

  it('takes no index, count, key or label that is none', async () => {
    for (const args of [
      ['audit', 'tail', '--count', 'x'],
      ['audit', 'tail', '--from', '-1'],
      ['audit', 'export', '--from', 'x'],
      ['principal', 'remove-key', 'ci', 'garbage'],
      ['principal', 'set-attributes', 'ci', '--label', 'x'],
      ['principal', 'set-attributes', 'ci', '--network', '10.0.0.1'],
    ])
      expect(await keymesh(...args)).toMatchObject({ code: 2 });
  }, 200_000);
});
