import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { eventually } from '@keymesh/testing';
import { REPOSITORY, run, startMesh, type RunningMesh } from './support/running-mesh.js';

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const PROMETHEUS =
  process.env.KEYMESH_PROMETHEUS ?? join(REPOSITORY, '.keymesh-tools/prometheus/usr/bin/prometheus');
const dashboard = JSON.parse(await readFile(join(REPOSITORY, 'deploy/grafana/keymesh.json'), 'utf8')) as {
  panels: Panel[];
};
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr] as const),
);

let mesh: RunningMesh;
let keymesh: Keymesh;
let folder: string;
let prometheus: ChildProcess;
let api: string;
let traffic: NodeJS.Timeout;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

beforeAll(async () => {
  mesh = await startMesh();
  folder = await mkdtemp(join(tmpdir(), 'keymesh-prometheus-'));
  const port = await freePort();
  api = `http://127.0.0.1:${port}/api/v1`;
  await writeFile(
    join(folder, 'prometheus.yml'),
    `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: keymesh\n    http_sd_configs: [{ url: "${mesh.httpUrl}/metrics/targets", refresh_interval: 1s }]\n`,
  );
  prometheus = spawn(
    PROMETHEUS,
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  keymesh = await connect({ profile: 'operator', home: mesh.home });
  await keymesh.credentials.store({
    name: 'seen',
    type: 'api_key',
    generate: {},
    rotation: { adapter: 'generated', intervalSeconds: 0 },
  });
  await keymesh.credentials.rotate('seen');
  // A denial, so that both effects are there; a first-seen consumer, so that there is a finding.
  const token = (await mesh.cli(['principal', 'create', 'reader-one', '--role', 'reader'])).stdout
    .toString()
    .trim();
  await mesh.cli(['enrol', '--token', token]);
  await mesh.cli(['store', 'not-allowed', '--profile', 'reader-one'], { input: 'Some-Value-0123456789' });
  // A job of each kind that the dashboard counts in batches.
  await mesh.cli(['key', 'rotate', 'default']);
  await mesh.cli(['key', 'rewrap', 'default']);
  traffic = setInterval(
    () =>
      void keymesh.credentials.retrieve('seen').then(
        (credential) => credential.dispose(),
        () => undefined,
      ),
    100,
  );
}, 150_000);

afterAll(async () => {
  clearInterval(traffic);
  await keymesh.close();
  prometheus.kill();
  await once(prometheus, 'exit');
  await mesh[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function query(expr: string): Promise<{ value: [number, string] }[]> {
  const promql = expr.replaceAll('$__rate_interval', '15s').replaceAll('$service', '.*');
  const response = await fetch(`${api}/query`, {
    method: 'POST',
    body: new URLSearchParams({ query: promql }),
  });
  const body = (await response.json()) as {
    status: string;
    error?: string;
    data: { result: { value: [number, string] }[] };
  };
  if (body.status !== 'success') throw new Error(body.error);
  return body.data.result;
}

describe('every query of the Grafana dashboard returns data of the live mesh', () => {
  it.each(queries)(
    '%s: %s',
    async (_, expr) => {
      await eventually(
        async () => {
          const result = await query(expr);
          expect(result.length).toBeGreaterThan(0);
          expect(result.some(({ value }) => Number.isFinite(Number(value[1])))).toBe(true);
        },
        { timeoutMs: 30_000 },
      );
    },
    40_000,
  );
});

it('Prometheus accepts the alert rules and the scrape configuration', async () => {
  const promtool = PROMETHEUS.replace(/prometheus$/, 'promtool');
  const result = await run(promtool, ['check', 'rules', join(REPOSITORY, 'deploy/prometheus/alerts.yml')]);
  expect(result).toMatchObject({ code: 0 });
});
