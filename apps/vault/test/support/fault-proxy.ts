import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What stands between the vault and its KMS does: nothing, cut, keep silent, answer "too fast", or change the key that comes back. */
export type Fault = 'none' | 'down' | 'hanging' | 'throttled' | 'altered';

export interface FaultProxy {
  readonly endpoint: string;
  fault: Fault;
  /** Requests that arrived, whatever became of them. */
  requests: number;
  stop(): void;
}

/** An HTTP proxy on the loopback in front of AWS KMS as an emulator plays it. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const server = createServer((incoming, answer) => {
    proxy.requests += 1;
    switch (proxy.fault) {
      case 'down':
        incoming.socket.destroy();
        return;
      case 'hanging':
        return;
      case 'throttled':
        answer.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
        answer.end(JSON.stringify({ __type: 'ThrottlingException' }));
        return;
      case 'none':
      case 'altered':
        pass(target, incoming, answer, proxy.fault === 'altered');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    fault: 'none',
    requests: 0,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
  return proxy;
}

function pass(target: string, incoming: IncomingMessage, answer: ServerResponse, alter: boolean): void {
  const { method, headers, url = '/' } = incoming;
  const onward = request(new URL(url, target), { method, headers }, (reply) => {
    const chunks: Buffer[] = [];
    reply.on('data', (chunk: Buffer) => chunks.push(chunk));
    reply.on('end', () => {
      const body = Buffer.concat(chunks);
      const sent = alter ? withOtherKey(body) : body;
      answer.writeHead(reply.statusCode ?? 502, { ...reply.headers, 'content-length': sent.length });
      answer.end(sent);
    });
  });
  incoming.pipe(onward);
}

/** The same answer with one bit of its plaintext flipped. */
function withOtherKey(body: Buffer): Buffer {
  const answer = JSON.parse(body.toString()) as { Plaintext?: string };
  if (answer.Plaintext === undefined) return body;
  const key = Buffer.from(answer.Plaintext, 'base64');
  key[0]! ^= 1;
  return Buffer.from(JSON.stringify({ ...answer, Plaintext: key.toString('base64') }));
}
