import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MeshHealth } from './health.js';
import { listenOn, makeLauncherHttp } from './http.js';
import { makeTraceStore, parseOtlpJson, type KeptSpan } from './trace-store.js';

const TRACE = 'ab'.repeat(16);
const otlp = (spanId = '12'.repeat(8), traceId = TRACE) => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'keymesh-vault' } }] },
      scopeSpans: [
        {
          scope: { name: 'x' },
          spans: [
            {
              traceId,
              spanId,
              name: 'retrieveCredential',
              kind: 2,
              startTimeUnixNano: '1795305600000000000',
              endTimeUnixNano: '1795305600001000000',
              attributes: [{ key: 'keymesh.outcome', value: { stringValue: 'success' } }],
              status: { code: 2 },
            },
          ],
        },
      ],
    },
  ],
});
const span: KeptSpan = {
  traceId: TRACE,
  spanId: '12'.repeat(8),
  parentSpanId: null,
  service: 'vault',
  name: 'retrieveCredential',
  startTimeUnixNano: '1795305600000000000',
  endTimeUnixNano: '1795305600001000000',
  error: true,
  attributes: { 'keymesh.outcome': 'success' },
};

describe("the launcher's HTTP", () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-traces-'));
  const traces = makeTraceStore(folder);
  let server: Server;
  let base: string;
  let health: MeshHealth;
  beforeAll(async () => {
    server = makeLauncherHttp({
      health: () => Promise.resolve(health),
      facts: () => ({ rootKey: 'file only' }),
      traces,
    });
    expect(await listenOn(server, 0)).toBe(true);
    base = `http://127.0.0.1:${String((server.address() as { port: number }).port)}`;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    health = {
      status: 'ready',
      services: {
        vault: { state: 'ready', httpPort: 4711, pid: 3 },
        nats: { state: 'ready' },
        policy: { state: 'starting' },
      },
    };
  });
  const get = async (path: string) => {
    const reply = await fetch(`${base}${path}`);
    return { status: reply.status, body: await reply.json() };
  };

  it('answers 200 once ready and 503 before, with the state of each part and no more', async () => {
    const services = { vault: { state: 'ready' }, nats: { state: 'ready' }, policy: { state: 'starting' } };
    expect(await get('/health/ready')).toEqual({ status: 200, body: { status: 'ready', services } });
    health = { ...health, status: 'starting' };
    expect(await get('/health/ready')).toEqual({ status: 503, body: { status: 'starting', services } });
  });

  it('lists what Prometheus can scrape now', async () => {
    expect((await get('/metrics/targets')).body).toEqual([
      { targets: ['127.0.0.1:4711'], labels: { job: 'keymesh', service: 'vault' } },
    ]);
  });

  it('adds its facts to the status', async () => {
    expect((await get('/status')).body).toMatchObject({
      status: 'ready',
      rootKey: 'file only',
      services: { vault: { pid: 3 } },
    });
  });

  it('keeps spans, plain and compressed, and finds them by trace', async () => {
    const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
      fetch(`${base}/v1/traces`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      });
    expect((await post(JSON.stringify(otlp()))).status).toBe(200);
    expect(
      (
        await post(new Uint8Array(gzipSync(JSON.stringify(otlp('34'.repeat(8))))), {
          'content-encoding': 'gzip',
        })
      ).status,
    ).toBe(200);
    expect(await get(`/traces/${TRACE}`)).toMatchObject({
      status: 200,
      body: { traceId: TRACE, spans: [span, { ...span, spanId: '34'.repeat(8) }] },
    });
    expect((await get(`/traces/${'cd'.repeat(16)}`)).status).toBe(404);
    expect((await post('{"resourceSpans": 1}')).status).toBe(400);
    expect((await post('not json')).status).toBe(400);
    expect((await post('x', { 'content-type': 'application/x-protobuf' })).status).toBe(415);
  });

  it('answers nobody who came by another host name, changes nothing, and knows no other path', async () => {
    const rebound = await new Promise<number | undefined>((resolve) => {
      request(`${base}/status`, { headers: { host: 'evil.example' } }, (reply) =>
        resolve(reply.statusCode),
      ).end();
    });
    expect(rebound).toBe(421);
    expect((await fetch(`${base}/status`, { method: 'POST' })).status).toBe(405);
    expect((await get('/../../etc/passwd')).status).toBe(404);
    expect((await get('/traces/../../x')).status).toBe(404);
  });

  it('says when its port is taken', async () => {
    const second = makeLauncherHttp({ health: () => Promise.resolve(health), facts: () => ({}), traces });
    expect(await listenOn(second, Number(new URL(base).port))).toBe(false);
  });
});

describe('the trace store', () => {
  it('is a ring: the oldest spans go, and it never grows past two files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymesh-traces-'));
    const store = makeTraceStore(folder, 10_000);
    const of = (at: number) => ({ ...span, traceId: at.toString(16).padStart(32, '0') });
    for (let at = 0; at < 200; at += 1) await store.add([of(at)]);
    expect(await store.find(of(199).traceId)).toEqual([of(199)]);
    expect(await store.find(of(0).traceId)).toEqual([]);
    const files = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    expect(files).toHaveLength(2);
    for (const size of files) expect(size).toBeLessThanOrEqual(10_000);
    rmSync(folder, { recursive: true });
  });

  it('reads the export of any OTLP sender and refuses what is none', () => {
    expect(parseOtlpJson(otlp())).toEqual([span]);
    expect(parseOtlpJson({ resourceSpans: [] })).toEqual([]);
    for (const bad of [undefined, null, 1, {}, { resourceSpans: [{}] }, otlp('short')])
      expect(parseOtlpJson(bad)).toBeUndefined();
  });
});
