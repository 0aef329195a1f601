import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SERVICES } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { parseLauncherConfig } from './config.js';
import { homeAt, makeHome, type Home } from './home.js';
import { ensureServerTls, isRenewalDue, natsTlsOf } from './nats-tls.js';
import { serviceEnvironment } from './service-environment.js';

const home = homeAt('/home of keys');
const places = {
  natsUrl: 'tls://bus:4222',
  databaseUrl: 'postgres://a@h:5/postgres',
  httpPort: 7,
  meshId: 'm',
};

describe('the certificate for a NATS server that asks for one', () => {
  it('reaches every service, and whatever the launcher itself asks the server', () => {
    const named = {
      KEYMESH_NATS_CA_FILE: '/ca.pem',
      KEYMESH_NATS_CERT_FILE: '/c.pem',
      KEYMESH_NATS_KEY_FILE: '/k.pem',
    };
    const config = parseLauncherConfig({ KEYMESH_NATS_URL: 'tls://bus:4222', ...named }, []);
    for (const service of SERVICES)
      expect(serviceEnvironment(service, config, home, places)).toMatchObject(named);
    expect(natsTlsOf(config)).toEqual({ caFile: '/ca.pem', certFile: '/c.pem', keyFile: '/k.pem' });
    expect(natsTlsOf(parseLauncherConfig({}, []))).toBeUndefined();
  });
});

describe('the embedded server’s certificate', () => {
  let home: Home;
  beforeEach(() => {
    home = homeAt(join(mkdtempSync(join(tmpdir(), 'keymesh tls ')), '.keymesh'));
    makeHome(home);
  });
  afterEach(() => rmSync(join(home.root, '..'), { recursive: true }));
  let turned = 0;
  const clock = { now: () => Date.now() + turned, monotonic: () => performance.now() + turned };
  const certificateAt = (path: string) => new X509Certificate(readFileSync(path));
  const ensure = () => ensureServerTls(home, { natsTls: 'made' }, clock);

  it('is of an authority that clients pin, for this machine, and for servers alone', () => {
    expect(ensure()).toEqual({ certFile: home.natsTls.certificate, keyFile: home.natsTls.key });
    const [authority, server] = [
      certificateAt(home.natsTls.authority),
      certificateAt(home.natsTls.certificate),
    ];
    expect(server.checkIssued(authority)).toBe(true);
    expect(server.verify(authority.publicKey)).toBe(true);
    expect([authority.ca, server.ca]).toEqual([true, false]);
    expect([server.checkHost('localhost'), server.checkIP('127.0.0.1')]).toEqual(['localhost', '127.0.0.1']);
    expect([server.checkHost('nats'), server.checkIP('127.0.0.2')]).toEqual([undefined, undefined]);
    expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    for (const path of Object.values(home.natsTls)) expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('stays as it is until sixty days before its end, and is then made anew under the same authority', () => {
    ensure();
    const [authority, first] = [readFileSync(home.natsTls.authority), readFileSync(home.natsTls.certificate)];
    turned = 304 * DAY;
    ensure();
    expect(readFileSync(home.natsTls.certificate)).toEqual(first);
    turned = 306 * DAY;
    expect(isRenewalDue(home, clock)).toBe(true);
    ensure();
    turned = 0;
    expect(readFileSync(home.natsTls.certificate)).not.toEqual(first);
    expect(readFileSync(home.natsTls.authority)).toEqual(authority);
    expect(
      certificateAt(home.natsTls.certificate).verify(certificateAt(home.natsTls.authority).publicKey),
    ).toBe(true);
  });

  it('lasts as long when its authority ends after 2049, where dates are written otherwise', () => {
    turned = 3_650 * DAY;
    ensure();
    const years = [home.natsTls.authority, home.natsTls.certificate].map((path) => {
      const { validFrom, validTo } = certificateAt(path);
      return new Date(validTo).getUTCFullYear() - new Date(validFrom).getUTCFullYear();
    });
    turned = 0;
    expect(years).toEqual([20, 1]);
  });

  it('is made anew when a crash left it with another key, or another authority', () => {
    ensure();
    const key = readFileSync(home.natsTls.key);
    rmSync(home.natsTls.certificate);
    ensure();
    writeFileSync(home.natsTls.key, key);
    expect(isRenewalDue(home, clock)).toBe(true);
    ensure();
    rmSync(home.natsTls.authority);
    ensure();
    expect(isRenewalDue(home, clock)).toBe(false);
  });
});

describe('KEYMESH_NATS_TLS', () => {
  const parse = (env: NodeJS.ProcessEnv) => parseLauncherConfig({ KEYMESH_HOME: '/h', ...env }, []);
  const own = { KEYMESH_NATS_SERVER_CERT_FILE: '/s.pem', KEYMESH_NATS_SERVER_KEY_FILE: '/s.key' };

  it('is off; on, a certificate is made and every child is told of its authority', () => {
    expect(parse({}).natsTls).toBeUndefined();
    const config = parse({ KEYMESH_NATS_TLS: 'on' });
    expect(config.natsTls).toBe('made');
    expect(natsTlsOf(config)).toEqual({ caFile: '/h/nats/tls/authority.pem' });
  });

  it('takes a certificate of the operator’s own, whole', () => {
    const env = { KEYMESH_NATS_TLS: 'on', KEYMESH_NATS_CA_FILE: '/ca.pem', ...own };
    expect(parse(env).natsTls).toEqual({ certFile: '/s.pem', keyFile: '/s.key' });
    expect(natsTlsOf(parse(env))).toEqual({ caFile: '/ca.pem' });
    for (const missing of Object.keys(env).slice(1))
      expect(() => parse({ ...env, [missing]: '' })).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      );
    expect(() => parse(own)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('is not for a server of the operator’s own', () => {
    const env = { KEYMESH_NATS_TLS: 'on', KEYMESH_NATS_URL: 'tls://bus:4222' };
    expect(() => parse(env)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
