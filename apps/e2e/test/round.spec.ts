import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '@keymesh/client';
import { eventually } from '@keymesh/testing';
import { startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';

// One mesh as `npm start` runs it, used through the CLI as a person would type it.
let mesh: RunningMesh;
const apiKey = (): string => `Ak1-${randomBytes(24).toString('base64url')}`;

beforeAll(async () => {
  mesh = await startMesh();
}, 120_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const text = (result: CommandResult): string => result.stdout.toString('utf8');
const json = (result: CommandResult): unknown => JSON.parse(text(result));

interface Verified {
  readonly ok: boolean;
  readonly standing: string;
  readonly treeSize: number;
}

describe('a credential goes round', () => {
  it('is stored from standard input and retrieved as its exact bytes and nothing else', async () => {
    const value = apiKey();
    const stored = await mesh.cli(
      [
        'store',
        'alpha-vantage',
        '--type',
        'api_key',
        '--provider',
        'alpha_vantage',
        '--description',
        'Market data',
      ],
      { input: `${value}\n` },
    );
    expect(stored).toMatchObject({ code: 0 });
    const retrieved = await mesh.cli(['retrieve', 'alpha-vantage']);
    expect(retrieved).toMatchObject({ code: 0, stderr: '' });
    expect(text(retrieved)).toBe(value);
  });

  it('keeps arbitrary bytes of a generic credential, a trailing newline included', async () => {
    const bytes = Buffer.concat([randomBytes(1000), Buffer.from('\n')]);
    const file = join(mesh.home, 'generic.bin');
    await writeFile(file, bytes);
    expect(await mesh.cli(['store', 'blob', '--type', 'generic', '--value-file', file])).toMatchObject({
      code: 0,
    });
    expect((await mesh.cli(['retrieve', 'blob'])).stdout.equals(bytes)).toBe(true);
  });

  it('has both parts of a username_password', async () => {
    const password = `Pw9!${randomBytes(12).toString('base64url')}`;
    expect(
      await mesh.cli(['store', 'db/login', '--type', 'username_password', '--username', 'app'], {
        input: password,
      }),
    ).toMatchObject({ code: 0 });
    expect(text(await mesh.cli(['retrieve', 'db/login']))).toBe(password);
    expect(text(await mesh.cli(['retrieve', 'db/login', '--part', 'username']))).toBe('app');
  });

  it('is listed and described without its value', async () => {
    const listed = json(await mesh.cli(['list', '--json'])) as {
      name: string;
      provider: string | null;
      isActive: boolean;
    }[];
    expect(listed.find(({ name }) => name === 'alpha-vantage')).toMatchObject({
      type: 'api_key',
      provider: 'alpha_vantage',
      isActive: true,
      version: 1,
    });
    expect(json(await mesh.cli(['describe', 'alpha-vantage', '--json']))).toMatchObject({
      description: 'Market data',
      owner: 'operator',
    });
    expect(text(await mesh.cli(['list']))).toContain('alpha-vantage');
  });

  it('rotates a generated credential; the history has both versions and the old one can still be read', async () => {
    expect(await mesh.cli(['store', 'billing/session-key', '--generate'])).toMatchObject({ code: 0 });
    const before = text(await mesh.cli(['retrieve', 'billing/session-key']));
    expect(await mesh.cli(['rotate', 'billing/session-key', '--json'])).toMatchObject({ code: 0 });
    const after = text(await mesh.cli(['retrieve', 'billing/session-key']));
    expect(after).not.toBe(before);
    expect(text(await mesh.cli(['retrieve', 'billing/session-key', '--stage', 'previous']))).toBe(before);
    const { versions } = json(await mesh.cli(['history', 'billing/session-key', '--json'])) as {
      versions: { version: number; stage: string }[];
    };
    expect(versions.map(({ version, stage }) => `${version} ${stage}`)).toEqual(['1 previous', '2 current']);
  });

  it('is gone after delete, for retrieve and list alike', async () => {
    await mesh.cli(['store', 'short-lived'], { input: apiKey() });
    expect(await mesh.cli(['delete', 'short-lived'])).toMatchObject({ code: 0 });
    expect(await mesh.cli(['retrieve', 'short-lived'])).toMatchObject({ code: 4 });
    expect(text(await mesh.cli(['list']))).not.toContain('short-lived');
  });
});

describe('bad input has a code, a sentence and an exit code, and stores nothing', () => {
  const refusals: readonly [string, readonly string[], string, number, string][] = [
    [
      'a weak password',
      ['store', 'weak', '--type', 'username_password', '--username', 'u'],
      'short',
      1,
      'CREDENTIAL_WEAK',
    ],
    ['a key that is too short', ['store', 'weak'], 'k', 1, 'CREDENTIAL_WEAK'],
    ['an empty value', ['store', 'empty', '--type', 'generic'], '', 2, 'CREDENTIAL_EMPTY'],
    ['a duplicate name', ['store', 'alpha-vantage'], 'Another-Key-0123456789', 1, 'CREDENTIAL_EXISTS'],
    ['a bad name', ['store', 'UPPER CASE'], 'Another-Key-0123456789', 2, 'CREDENTIAL_NAME_INVALID'],
    [
      'an unknown type',
      ['store', 'x', '--type', 'nonsense'],
      'Another-Key-0123456789',
      2,
      'CREDENTIAL_TYPE_UNKNOWN',
    ],
    [
      'a value over 64 KiB',
      ['store', 'big', '--type', 'generic'],
      'x'.repeat(70_000),
      2,
      'PAYLOAD_TOO_LARGE',
    ],
    ['a missing credential', ['retrieve', 'no-such-name'], '', 4, 'CREDENTIAL_NOT_FOUND'],
    [
      'a missing version',
      ['retrieve', 'alpha-vantage', '--credential-version', '99'],
      '',
      4,
      'VERSION_NOT_FOUND',
    ],
    ['a rotation without an adapter', ['rotate', 'alpha-vantage'], '', 1, 'ROTATION_UNSUPPORTED'],
    ['an unknown profile', ['list', '--profile', 'nobody'], '', 2, 'PROFILE_NOT_FOUND'],
    ['an unknown option', ['list', '--frobnicate'], '', 2, 'USAGE'],
    ['an unknown command', ['frobnicate'], '', 2, 'USAGE'],
    ['a missing argument', ['retrieve'], '', 2, 'USAGE'],
  ];
  it.each(refusals)('%s', async (_, args, input, code, errorCode) => {
    const result = await mesh.cli(args, { input });
    expect({ code: result.code, stdout: text(result) }).toEqual({ code, stdout: '' });
    expect(result.stderr).toContain(`${errorCode}: `);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    if (input.length > 8) expect(result.stderr).not.toContain(input);
  });

  it('names the findings of a weak password, and not the password', async () => {
    const result = await mesh.cli(
      ['store', 'weak', '--type', 'username_password', '--username', 'u', '--json'],
      { input: 'lowercase' },
    );
    const { error } = JSON.parse(result.stderr) as { error: { code: string; findings: { rule: string }[] } };
    expect(error.code).toBe('CREDENTIAL_WEAK');
    expect(error.findings.length).toBeGreaterThanOrEqual(3);
    expect(result.stderr).not.toContain('lowercase"');
    expect(await mesh.cli(['describe', 'weak'])).toMatchObject({ code: 4 });
  });

  it('says how to start the mesh when none runs', async () => {
    const result = await mesh.cli(['list'], { env: { KEYMESH_HOME: join(mesh.home, 'nothing-here') } });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/npm start/);
  });
});

describe('principals', () => {
  let token: string;

  it('are invited with a token that an operator prints, and enrol with it once', async () => {
    const created = await mesh.cli([
      'principal',
      'create',
      'billing',
      '--kind',
      'service',
      '--role',
      'reader',
    ]);
    expect(created).toMatchObject({ code: 0 });
    token = text(created).trim();
    expect(await mesh.cli(['enrol', '--token', token])).toMatchObject({ code: 0 });
    expect((await stat(join(mesh.home, 'profiles', 'billing.json'))).mode & 0o777).toBe(0o600);
    const again = await mesh.cli(['enrol', '--token', token, '--as', 'thief']);
    expect(again.code).not.toBe(0);
  });

  it('may do what their role allows and no more', async () => {
    expect(await mesh.cli(['retrieve', 'alpha-vantage', '--profile', 'billing'])).toMatchObject({ code: 0 });
    const denied = await mesh.cli(['store', 'mine', '--profile', 'billing'], { input: apiKey() });
    expect(denied).toMatchObject({ code: 3 });
    expect(denied.stderr).toContain('DENIED');
    expect(await mesh.cli(['principal', 'list', '--profile', 'billing'])).toMatchObject({ code: 3 });
  });

  it('that may not know of a credential see it exactly like a missing one', async () => {
    const invited = await mesh.cli([
      'principal',
      'create',
      'outsider',
      '--kind',
      'service',
      '--role',
      'plain-reply',
    ]);
    await mesh.cli(['enrol', '--token', text(invited).trim()]);
    for (const command of ['retrieve', 'describe', 'history', 'delete']) {
      const forbidden = await mesh.cli([command, 'alpha-vantage', '--profile', 'outsider', '--json']);
      const missing = await mesh.cli([command, 'no-such-name', '--profile', 'outsider', '--json']);
      expect(forbidden).toEqual(missing);
      expect(forbidden.code).toBe(4);
    }
    expect(text(await mesh.cli(['retrieve', 'alpha-vantage']))).not.toBe('');
  });

  it('lose everything at once when disabled', async () => {
    await using keymesh = await connect({ profile: 'billing', home: mesh.home });
    (await keymesh.credentials.retrieve('alpha-vantage')).dispose();
    expect(await mesh.cli(['principal', 'disable', 'billing', '--reason', 'test'])).toMatchObject({
      code: 0,
    });
    await expect(keymesh.credentials.retrieve('alpha-vantage', { deadlineMs: 2_000 })).rejects.toThrow();
    expect((await mesh.cli(['retrieve', 'alpha-vantage', '--profile', 'billing'])).code).not.toBe(0);
  });
});

describe('the log', () => {
  it('verifies, and is anchored when a checkpoint was kept', async () => {
    const first = await eventually(
      async () => {
        const result = await mesh.cli(['audit', 'verify', '--json']);
        expect(result.code).toBe(0);
        return json(result) as Verified;
      },
      { timeoutMs: 20_000 },
    );
    expect(first).toMatchObject({ ok: true, standing: 'self-consistent only' });
    const checkpoint = join(mesh.home, 'kept-checkpoint.txt');
    const key = join(mesh.home, 'kept.key');
    await writeFile(checkpoint, (await mesh.cli(['audit', 'checkpoint'])).stdout);
    await writeFile(key, (await mesh.cli(['audit', 'key'])).stdout);
    await mesh.cli(['retrieve', 'blob']);
    await eventually(
      async () => {
        const result = await mesh.cli([
          'audit',
          'verify',
          '--json',
          '--key',
          key,
          '--checkpoint',
          checkpoint,
        ]);
        const second = json(result) as Verified;
        expect(second).toMatchObject({ ok: true, standing: 'anchored' });
        expect(second.treeSize).toBeGreaterThan(first.treeSize);
      },
      { timeoutMs: 20_000 },
    );
  });

  it('exports the exact leaves, one JSON record a line, without names or values', async () => {
    const lines = text(await mesh.cli(['audit', 'export', '--format', 'jsonl']))
      .trimEnd()
      .split('\n');
    const types = new Set(lines.map((line) => (JSON.parse(line) as { type: string }).type));
    for (const type of [
      'credential.stored',
      'credential.retrieved',
      'credential.deleted',
      'principal.created',
      'principal.enrolled',
    ])
      expect(types).toContain(type);
    expect(lines.join('\n')).not.toContain('alpha-vantage');
  });

  it('is shown with readable names by audit tail', async () => {
    const result = await mesh.cli(['audit', 'tail', '--from', '0', '--count', '5']);
    expect(text(result).trimEnd().split('\n')).toHaveLength(5);
  });
});

describe('the mesh', () => {
  it('says its state, and that the root key is a file only', async () => {
    const result = await mesh.cli(['status']);
    expect(result).toMatchObject({ code: 0 });
    expect(text(result)).toContain('root key: file only');
    for (const service of ['vault', 'policy', 'audit', 'rotation', 'anomaly-detector'])
      expect(text(result)).toContain(service);
  });

  it('has metrics of every service', async () => {
    const page = text(await mesh.cli(['metrics']));
    expect(page).toMatch(/keymesh_operations_total\{[^}]*operation="retrieveCredential"/);
    for (const service of ['vault', 'policy', 'audit', 'rotation', 'anomaly-detector'])
      expect(page).toContain(`# ---- ${service}`);
  });

  it('prints an accounts block for a NATS server of your own, without a seed', async () => {
    const block = text(await mesh.cli(['nats-config']));
    expect(block).toContain('auth_callout');
    expect(block).not.toMatch(/\bS[UAX][A-Z2-7]{50,}/);
  });

  it('keeps everything private: folder 0700, secrets 0600', async () => {
    expect((await stat(mesh.home)).mode & 0o777).toBe(0o700);
    expect((await stat(join(mesh.home, 'master.key'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(mesh.home, 'mesh.json'), 'utf8')).not.toMatch(/S[UAX][A-Z2-7]{50,}/);
  });
});

describe('one trace', () => {
  it('goes from the command through bus, vault, decision, key, journal and ledger to the detector', async () => {
    const result = await mesh.cli(['retrieve', 'alpha-vantage', '--verbose']);
    const id = /trace: ([0-9a-f]{32})/.exec(result.stderr)?.[1] ?? '';
    await eventually(
      async () => {
        const spans = json(await mesh.cli(['trace', id, '--json'])) as { service: string; name: string }[];
        const services = new Set(spans.map(({ service }) => service));
        expect([...services]).toEqual(expect.arrayContaining(['cli', 'vault', 'audit', 'anomaly-detector']));
        expect(spans.map(({ name }) => name)).toEqual(
          expect.arrayContaining([
            'retrieveCredential',
            'policy.decide',
            'journal.record',
            'integrateRecord',
            'publishEvent',
            'scoreEvent',
          ]),
        );
      },
      { timeoutMs: 30_000 },
    );
    expect(text(await mesh.cli(['trace', id]))).toMatch(/█/);
  }, 40_000);
});
