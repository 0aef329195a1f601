import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { SERVICES } from '@keymesh/contracts';
import type { MeshHealth } from './health.js';
import { backupMetrics, type BackupHealth } from './backup-schedule.js';
import { parseOtlpJson, type TraceStore } from './trace-store.js';

const MAX_BODY_BYTES = 8 * 2 ** 20;
const LOCAL_HOSTS = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

export interface LauncherHttpOptions {
  readonly health: () => Promise<MeshHealth>;
  /** Further facts for `keymesh status`; nothing secret. */
  readonly facts: () => Readonly<Record<string, unknown>>;
  readonly traces: TraceStore;
  /** Of scheduled backups; undefined when there is no schedule. */
  readonly backups?: () => BackupHealth | undefined;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** The launcher's own HTTP: health, status, Prometheus discovery, traces. Loopback only; it tells no secret and changes nothing. */
export function makeLauncherHttp(options: LauncherHttpOptions): Server {
  return createServer((request, response) => {
    answer(options, request).then(
      (reply) => send(response, reply),
      () => send(response, { status: 500, body: { error: 'INTERNAL' } }),
    );
  });
}

async function answer(options: LauncherHttpOptions, request: IncomingMessage): Promise<Reply> {
  // A web page that resolves its own name to 127.0.0.1 must not read from here.
  if (!LOCAL_HOSTS.test(request.headers.host ?? '')) return { status: 421, body: { error: 'not this host' } };
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (request.method === 'POST' && path === '/v1/traces') return takeTraces(options.traces, request);
  if (request.method !== 'GET') return { status: 405, body: { error: 'GET only' } };
  const trace = /^\/traces\/([0-9a-f]{32})$/.exec(path)?.[1];
  if (trace !== undefined) {
    const spans = await options.traces.find(trace);
    return { status: spans.length === 0 ? 404 : 200, body: { traceId: trace, spans } };
  }
  switch (path) {
    case '/health/live':
      return { status: 200, body: { status: 'ok' } };
    case '/health/ready': {
      const { status, services } = await options.health();
      const states = Object.fromEntries(
        Object.entries(services).map(([name, { state }]) => [name, { state }]),
      );
      return { status: status === 'ready' ? 200 : 503, body: { status, services: states } };
    }
    case '/status':
      return { status: 200, body: { ...(await options.health()), ...options.facts() } };
    case '/metrics': {
      const backups = options.backups?.();
      return { status: 200, body: backups === undefined ? '' : backupMetrics(backups) };
    }
    case '/metrics/targets':
      return { status: 200, body: targetsOf(await options.health()) };
    default:
      return { status: 404, body: { error: 'not found' } };
  }
}

/** Prometheus HTTP service discovery: every service that has an HTTP port now. */
export const targetsOf = ({
  services,
}: MeshHealth): { targets: string[]; labels: Record<string, string> }[] =>
  SERVICES.flatMap((service) => {
    const port = services[service]?.httpPort;
    return port === undefined
      ? []
      : [{ targets: [`127.0.0.1:${String(port)}`], labels: { job: 'keymesh', service } }];
  });

async function takeTraces(traces: TraceStore, request: IncomingMessage): Promise<Reply> {
  if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
    return {
      status: 415,
      body: { error: 'OTLP/HTTP with JSON only: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json' },
    };
  }
  const body = await readBody(request);
  const spans = body === undefined ? undefined : parseOtlpJson(body);
  if (spans === undefined) return { status: 400, body: { error: 'not an OTLP trace export' } };
  await traces.add(spans);
  return { status: 200, body: {} };
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  try {
    const bytes = Buffer.concat(chunks);
    const plain =
      request.headers['content-encoding'] === 'gzip'
        ? gunzipSync(bytes, { maxOutputLength: MAX_BODY_BYTES })
        : bytes;
    return JSON.parse(plain.toString('utf8'));
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, body }: Reply): void {
  const isText = typeof body === 'string';
  const text = isText ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': isText ? 'text/plain; version=0.0.4' : 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

/** Listens on 127.0.0.1. @returns false when the port is taken. */
export function listenOn(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}
