import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON. */
  readonly body: Record<string, unknown>;
}

export interface StubAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A server that keeps what it is asked and answers as a spec says. */
export interface HttpStub {
  readonly address: string;
  readonly seen: SeenRequest[];
  answer: (request: SeenRequest) => StubAnswer | 'hang' | 'reset';
  last(): SeenRequest | undefined;
  /** Writes a file into a folder of its own. @returns its path. */
  file(name: string, text: string): Promise<string>;
  stop(): Promise<void>;
}

/** @param tls key and certificate in PEM; absent: plain HTTP. */
export async function startHttpStub(tls?: {
  readonly key: string;
  readonly cert: string;
}): Promise<HttpStub> {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-stub-'));
  const listener: RequestListener = (request, response) => {
    void readRequest(request).then((seen) => {
      stub.seen.push(seen);
      const answer = stub.answer(seen);
      if (answer === 'hang') return;
      if (answer === 'reset') {
        request.socket.destroy();
        return;
      }
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {}));
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = String((server.address() as AddressInfo).port);
  const stub: HttpStub = {
    address: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    seen: [],
    answer: () => ({ status: 500 }),
    last: () => stub.seen.at(-1),
    async file(name, text) {
      const path = join(folder, name);
      await writeFile(path, text, { mode: 0o600 });
      return path;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
  return stub;
}

async function readRequest(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}
