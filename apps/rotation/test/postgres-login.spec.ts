import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { freePort, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import pg from 'pg';
import { logIn } from '../src/adapters/postgres-login.js';
import type { PostgresSettings } from '../src/adapters/postgres-settings.js';
import { deriveScramVerifier } from '../src/adapters/scram-verifier.js';

const PASSWORD = 'Password-of-a-role-1!';
const password = () => Secret.fromText(PASSWORD, 'password');

let postgres: TestPostgres;
let admin: pg.Client;
let settings: PostgresSettings;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const { port } = postgres;
  settings = { host: '127.0.0.1', port, database: 'keymesh', sslmode: 'disable' };
  admin = new pg.Client({
    host: '127.0.0.1',
    port,
    database: 'keymesh',
    user: new URL(postgres.adminUrl).username,
    password: Buffer.from(postgres.password.expose()).toString(), // EXPOSE: the superuser of a spec's own server
  });
  await admin.connect();
  await admin.query(`SET password_encryption = 'md5'; CREATE ROLE by_md5 LOGIN PASSWORD '${PASSWORD}'`);
  await admin.query(`SET password_encryption = 'scram-sha-256'`);
  for (const role of ['by_scram', 'by_clear', 'by_trust'])
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
  await admin.query('GRANT CONNECT ON DATABASE keymesh TO by_scram, by_clear, by_trust, by_md5');
  const hba = join(dirname(postgres.passwordFile), 'data', 'pg_hba.conf');
  const lines = ['by_clear password', 'by_trust trust', 'by_md5 md5'].map((line) => {
    const [role, method] = line.split(' ');
    return `host all ${role ?? ''} 127.0.0.1/32 ${method ?? ''}`;
  });
  writeFileSync(hba, `${lines.join('\n')}\n${readFileSync(hba, 'utf8')}`);
  await admin.query('SELECT pg_reload_conf()');
}, 60_000);

afterAll(async () => {
  await admin.end();
  await postgres.stop();
});

describe('logging in as a role', () => {
  it('takes the right password and tells who it is', async () => {
    const login = await logIn(settings, 'by_scram', password());
    if (!login.ok) throw new Error(login.reason);
    expect(await login.session.currentUser()).toBe('by_scram');
    await login.session.close();
  });

  it('tells a wrong password from a server that cannot be reached or a role that may not come', async () => {
    const wrong = Secret.fromText('wrong', 'password');
    expect(await logIn(settings, 'by_scram', wrong)).toMatchObject({ reason: 'PROVIDER_LOGIN_REFUSED' });
    const nowhere = { ...settings, port: await freePort() };
    expect(await logIn(nowhere, 'by_scram', password())).toEqual({
      ok: false,
      reason: 'PROVIDER_UNREACHABLE',
      retryable: true,
    });
  });

  // Guarantee: a password proves nothing where none is asked for, and is not given away where it is asked for badly.
  it.each(['by_clear', 'by_trust', 'by_md5'])(
    'does not accept a server that authenticates %s',
    async (role) => {
      expect(await logIn(settings, role, password())).toMatchObject({
        ok: false,
        reason: 'PROVIDER_AUTH_UNSUPPORTED',
      });
    },
  );

  it('sends nothing of the password to a false server that asks for it in clear', async () => {
    const received: Buffer[] = [];
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        received.push(bytes);
        // AuthenticationCleartextPassword: 'R', length 8, code 3.
        socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
      });
    });
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    const login = await logIn({ ...settings, port }, 'by_scram', password());
    server.close();
    const all = Buffer.concat(received);
    expect(all.includes('by_scram')).toBe(true); // the control: what was sent is seen
    expect(all.includes(PASSWORD)).toBe(false);
    expect(login).toMatchObject({ ok: false, reason: 'PROVIDER_AUTH_UNSUPPORTED' });
  });
});

describe('changing a password by its verifier', () => {
  it.each(['Plain-ascii-password-1!', 'Ünïcode‑Ⅸ\u00A0passwörd-1!'])(
    'logs in afterwards: %s',
    async (text) => {
      const fresh = Secret.fromText(text, 'password');
      const login = await logIn(settings, 'by_scram', password());
      if (!login.ok) throw new Error(login.reason);
      await login.session.changePassword(deriveScramVerifier(fresh));
      await login.session.close();
      const again = await logIn(settings, 'by_scram', fresh);
      if (!again.ok) throw new Error(again.reason);
      await again.session.changePassword(deriveScramVerifier(password()));
      await again.session.close();
      expect(await logIn(settings, 'by_scram', fresh)).toMatchObject({ reason: 'PROVIDER_LOGIN_REFUSED' });
    },
  );

  it('takes nothing that is not a verifier', async () => {
    const login = await logIn(settings, 'by_scram', password());
    if (!login.ok) throw new Error(login.reason);
    await expect(login.session.changePassword(PASSWORD)).rejects.toThrow('not a SCRAM verifier');
    await login.session.close();
  });
});
