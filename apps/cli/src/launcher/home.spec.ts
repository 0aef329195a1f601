import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SERVICES } from '@keymesh/contracts';
import { makeSigningKey } from '@keymesh/kernel';
import { foldStatements, meshIdOf } from '@keymesh/policy-engine';
import { identifyProcess } from '@keymesh/postgres';
import { ensureFile, writeWhole } from './files.js';
import { ensureGenesis, readdressProfiles, readTrust } from './genesis.js';
import { homeAt, makeHome, type Home } from './home.js';
import { ensureIdentities } from './identities.js';
import { takeLock } from './lock.js';

const MESH_KEY = makeSigningKey().key.publicKeyText;
const filesOf = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

describe('KEYMESH_HOME', () => {
  let home: Home;
  beforeEach(() => {
    home = homeAt(join(mkdtempSync(join(tmpdir(), 'keymesh home ')), '.keymesh'));
    makeHome(home);
  });
  afterEach(() => rmSync(join(home.root, '..'), { recursive: true }));
  const contents = (): Map<string, string> =>
    new Map(filesOf(home.root).map((path) => [path, readFileSync(path, 'latin1')]));
  const initialise = () =>
    ensureGenesis(home, ensureIdentities(home), MESH_KEY, { natsUrl: 'nats://127.0.0.1:7422' });

  it('is closed to everybody else, with every file in it', () => {
    const before = process.umask(0);
    try {
      initialise();
    } finally {
      process.umask(before);
    }
    const folders = readdirSync(home.root, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isDirectory(),
    );
    for (const folder of folders) expect(statSync(join(folder.parentPath, folder.name)).mode & 0o077).toBe(0);
    expect(statSync(home.root).mode & 0o777).toBe(0o700);
    for (const file of filesOf(home.root)) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(home.masterKey).size).toBe(32);
  });

  it('names the first operator and the five services in statements that fold', () => {
    const trust = initialise();
    expect(trust).toMatchObject({ meshId: meshIdOf(MESH_KEY), meshPublicKey: MESH_KEY });
    const { statements } = JSON.parse(readFileSync(home.genesis, 'utf8')) as { statements: string[] };
    const directory = foldStatements(trust, statements);
    expect(directory.find('operator')).toMatchObject({
      kind: 'operator',
      roles: ['operator'],
      status: 'active',
    });
    for (const service of SERVICES)
      expect(directory.find(`_${service}`)).toMatchObject({ kind: 'system', status: 'active' });
    expect(directory.find('_rotation')?.roles).toEqual(['rotator']);
    expect(directory.find('_anomaly-detector')?.roles).toEqual(['locker']);
    expect(directory.find('_vault')?.roles).toEqual([]);
  });

  it('is the same after a second initialisation', () => {
    initialise();
    const before = contents();
    initialise();
    expect(contents()).toEqual(before);
  });

  it('is completed after a crash at any step, with nothing made twice', () => {
    // The steps leave their files in this order; a crash leaves a prefix of them.
    initialise();
    const all = contents();
    const made = [home.profile('operator'), home.trust, home.genesis];
    for (let kept = 0; kept < made.length; kept += 1) {
      for (const path of made.slice(kept)) rmSync(path, { force: true });
      writeFileSync(`${made[kept]!}.unfinished`, '{"half');
      const trust = initialise();
      const { statements } = JSON.parse(readFileSync(home.genesis, 'utf8')) as { statements: string[] };
      expect(foldStatements(trust, statements).find('operator')?.status).toBe('active');
      for (const path of filesOf(join(home.root, 'secrets')))
        expect(readFileSync(path, 'latin1')).toBe(all.get(path));
    }
  });

  it('is refused with the database of another mesh', () => {
    initialise();
    const other = makeSigningKey().key.publicKeyText;
    expect(() => ensureGenesis(home, ensureIdentities(home), other, { natsUrl: 'nats://x' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
    expect(readTrust(home)?.meshPublicKey).toBe(MESH_KEY);
  });

  it('moves its profiles to a new address, and no profile of another mesh', () => {
    const { meshId } = initialise();
    const operator = JSON.parse(readFileSync(home.profile('operator'), 'utf8')) as object;
    writeWhole(home.profile('elsewhere'), JSON.stringify({ ...operator, meshId: 'other' }));
    readdressProfiles(home, ['operator', 'elsewhere', 'missing'], meshId, { natsUrl: 'nats://127.0.0.1:9' });
    expect(JSON.parse(readFileSync(home.profile('operator'), 'utf8'))).toEqual({
      ...operator,
      natsUrl: 'nats://127.0.0.1:9',
    });
    expect(JSON.parse(readFileSync(home.profile('elsewhere'), 'utf8'))).toMatchObject({
      natsUrl: 'nats://127.0.0.1:7422',
    });
  });

  it('tells its profiles the authority of its server, takes it back, and leaves a client’s own certificate', () => {
    const { meshId } = initialise();
    const natsUrl = 'nats://127.0.0.1:7422';
    const tlsAfter = (caFile?: string | null): unknown => {
      const bus = { natsUrl, ...(caFile === undefined ? {} : { caFile }) };
      readdressProfiles(home, ['operator'], meshId, bus);
      return (JSON.parse(readFileSync(home.profile('operator'), 'utf8')) as { tls?: unknown }).tls;
    };
    expect(tlsAfter('/ca.pem')).toEqual({ caFile: '/ca.pem' });
    expect(tlsAfter()).toEqual({ caFile: '/ca.pem' });
    expect(tlsAfter(null)).toBeUndefined();
    const operator = JSON.parse(readFileSync(home.profile('operator'), 'utf8')) as object;
    const own = { certFile: '/c.pem', keyFile: '/c.key' };
    writeWhole(home.profile('operator'), JSON.stringify({ ...operator, tls: own }));
    expect(tlsAfter('/ca.pem')).toEqual({ ...own, caFile: '/ca.pem' });
    expect(tlsAfter(null)).toEqual(own);
  });

  it('never makes anew a file that is there, and never leaves half of one', () => {
    const path = join(home.root, 'x');
    expect(ensureFile(path, () => 'first')).toBe('first');
    expect(ensureFile(path, () => 'second')).toBe('first');
    mkdirSync(join(home.root, 'y'));
    expect(() => writeWhole(join(home.root, 'y'), 'z')).toThrow();
    expect(readFileSync(path, 'utf8')).toBe('first');
  });

  describe('its lock', () => {
    const path = () => home.run('launcher.json');

    it('is given to one launcher at a time', () => {
      const unlock = takeLock(path());
      expect(() => takeLock(path())).toThrow(/already runs.*process \d+/);
      unlock();
      takeLock(path())();
    });

    it('is taken over from a launcher that was killed, also where another process has its pid', () => {
      writeFileSync(path(), JSON.stringify({ pid: process.pid, startedAt: 'earlier' }));
      const unlock = takeLock(path());
      expect(JSON.parse(readFileSync(path(), 'utf8'))).toEqual(identifyProcess(process.pid));
      unlock();
      writeFileSync(path(), '{"half');
      takeLock(path())();
      expect(readdirSync(join(home.root, 'run'))).toEqual([]);
    });
  });
});
