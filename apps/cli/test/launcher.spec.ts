import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SERVICES } from '@keymesh/contracts';
import { identifyProcess } from '@keymesh/postgres';
import { eventually, freePort } from '@keymesh/testing';
import { makeTestHome, type Launched, type Status } from './support/launched-mesh.js';

// One mesh through its life, in order: real services, real servers, real kills. Needs the build.

const PARTS = [...SERVICES, 'nats', 'postgres'];
const pidsOf = ({ services }: Status): number[] =>
  Object.values(services).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
const running = (pids: readonly number[]): number[] =>
  pids.filter((pid) => identifyProcess(pid) !== undefined);
const ago = { timeoutMs: 60_000 };

describe('the launcher', () => {
  const mesh = makeTestHome();
  let launched: Launched;
  let meshId: string;
  beforeAll(async () => {
    launched = mesh.launch();
    await launched.ready();
    ({ meshId } = mesh.facts());
  }, 120_000);
  afterAll(() => mesh.remove(), 60_000);

  const allReady = (): Promise<Status> =>
    eventually(async () => {
      expect((await mesh.get('/health/ready')).status).toBe(200);
      return mesh.status();
    }, ago);

  it('brings up every part in a path with spaces, and says what to type next', async () => {
    const { status, services, rootKey } = await mesh.status();
    expect(status).toBe('ready');
    expect(rootKey).toBe('file only');
    expect(Object.keys(services).sort()).toEqual([...PARTS].sort());
    expect(await mesh.get('/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'ready', services: { vault: { state: 'ready' } } },
    });
    for (const command of ['store', 'retrieve', 'list'])
      expect(launched.output()).toContain(`npx keymesh ${command}`);
  });

  it('offers every service to Prometheus, each with metrics', async () => {
    const targets = (await mesh.get('/metrics/targets')).body as {
      targets: string[];
      labels: { service: string };
    }[];
    expect(targets.map(({ labels }) => labels.service).sort()).toEqual([...SERVICES].sort());
    for (const { targets: hosts } of targets)
      expect(await (await fetch(`http://${hosts[0]!}/metrics`)).text()).toContain('# TYPE ');
  });

  it('keeps secrets out of arguments and environments, files to their owner, and dumps no core', async () => {
    const secrets = readdirSync(join(mesh.home, 'secrets'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(secrets.length).toBeGreaterThan(20);
    const texts = secrets.map((path) => readFileSync(path, 'utf8').trim());
    for (const pid of pidsOf(await mesh.status())) {
      const seen = ['cmdline', 'environ']
        .map((file) => readFileSync(`/proc/${String(pid)}/${file}`, 'latin1'))
        .join();
      expect(seen.length).toBeGreaterThan(10); // control: it could be read
      for (const text of texts) expect(seen).not.toContain(text);
    }
    for (const path of [...secrets, join(mesh.home, 'master.key')])
      expect(statSync(path).mode & 0o077).toBe(0);
    const { services } = await mesh.status();
    expect(readFileSync(`/proc/${String(services.vault!.pid)}/limits`, 'utf8')).toMatch(
      /Max core file size +0 +/,
    );
  });

  it('refuses a second launcher on the same home, and the first does not notice', async () => {
    const second = mesh.launch();
    expect(await second.ended()).toBe(1);
    expect(second.output()).toMatch(/already runs on this KEYMESH_HOME/);
    await allReady();
  });

  it('starts each part again that is killed, says so, and becomes ready by itself', async () => {
    for (const part of PARTS) {
      const before = (await allReady()).services[part]!;
      process.kill(before.pid!, 'SIGKILL');
      await eventually(async () => {
        const now = (await mesh.status()).services[part]!;
        expect(now.restarts).toBe((before.restarts ?? 0) + 1);
        expect(now.pid).not.toBe(before.pid);
      }, ago);
      await allReady();
      expect(launched.output()).toMatch(new RegExp(`${part} .*; starting it again in`));
    }
  }, 180_000);

  it('recovers in the next start after kill -9, with the same mesh and no process left from before', async () => {
    const before = await mesh.status();
    launched.child.kill('SIGKILL');
    await launched.ended();
    const { httpPort } = mesh.facts();
    launched = mesh.launch();
    await launched.ready();
    expect(mesh.facts()).toMatchObject({ meshId, httpPort });
    const after = await allReady();
    for (const service of SERVICES) expect(running([before.services[service]!.pid!])).toEqual([]);
    // The servers outlived the launcher and were taken over: nothing was interrupted for them.
    for (const server of ['nats', 'postgres'])
      expect(after.services[server]!.pid).toBe(before.services[server]!.pid);
  }, 120_000);

  it('stops everything on SIGTERM, services first, and leaves no orphan', async () => {
    const pids = pidsOf(await mesh.status());
    expect(running(pids)).toHaveLength(PARTS.length);
    launched.child.kill('SIGTERM');
    expect(await launched.ended()).toBe(0);
    expect(running(pids)).toEqual([]);
    expect(readdirSync(join(mesh.home, 'run'))).toEqual([]);
    const lines = readFileSync(join(mesh.home, 'logs', 'postgres.log'), 'utf8')
      .trim()
      .split('\n');
    expect(lines.at(-1)).toContain('database system is shut down');
  }, 60_000);

  it('says which variable sets a port that is taken, and leaves nothing running', async () => {
    const blocker = createServer();
    const busy = await new Promise<number>((resolve) => {
      blocker.listen(0, '127.0.0.1', () => resolve((blocker.address() as { port: number }).port));
    });
    const free = {
      KEYMESH_HTTP_PORT: String(await freePort()),
      KEYMESH_POSTGRES_PORT: String(await freePort()),
    };
    const refused = mesh.launch({ ...free, KEYMESH_NATS_PORT: String(busy) }, []);
    expect(await refused.ended()).toBe(1);
    expect(refused.output()).toMatch(
      new RegExp(`PORT_IN_USE: Port ${String(busy)}.*KEYMESH_NATS_PORT.*--auto-ports`),
    );
    expect(readdirSync(join(mesh.home, 'run'))).toEqual([]);
    await new Promise((resolve) => blocker.close(resolve));
  }, 60_000);

  it('keeps its data over a stop, and stops as well when whoever started it is gone', async () => {
    launched = mesh.launch();
    await launched.ready();
    expect(mesh.facts().meshId).toBe(meshId);
    const pids = pidsOf(await mesh.status());
    launched.child.disconnect();
    expect(await launched.ended()).toBe(0);
    expect(running(pids)).toEqual([]);
  }, 120_000);

  it('tells all that is wrong with its settings and exits 2', async () => {
    const refused = mesh.launch({ KEYMESH_HTTP_PORT: 'http', KEYMESH_AUTO_PORTS: 'maybe' });
    expect(await refused.ended()).toBe(2);
    expect(refused.output()).toMatch(/CONFIG_INVALID: .*KEYMESH_HTTP_PORT .*KEYMESH_AUTO_PORTS /);
  });
});

describe('a first start that is killed', () => {
  const mesh = makeTestHome();
  afterAll(() => mesh.remove(), 60_000);

  it('is completed by the next, whenever it was killed', async () => {
    const keys = new Set<string>();
    for (const afterMs of [150, 500, 1_200, 2_500, 4_500, 7_000]) {
      const killed = mesh.launch();
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      killed.child.kill('SIGKILL');
      await killed.ended();
      try {
        keys.add(readFileSync(join(mesh.home, 'trust.json'), 'utf8'));
      } catch {
        // not made yet
      }
    }
    writeFileSync(join(mesh.home, 'genesis.json.unfinished'), '{"half');
    const last = mesh.launch();
    await last.ready();
    keys.add(readFileSync(join(mesh.home, 'trust.json'), 'utf8'));
    expect(keys.size).toBe(1); // once made, the mesh stays the same
    expect((await mesh.get('/health/ready')).status).toBe(200);
  }, 180_000);
});
