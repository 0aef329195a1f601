import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way to a Postgres that a spec can make as slow as it likes. */
export interface LoginProxy {
  readonly port: number;
  /** From now on, answers of a connection on which this was asked are kept back: the server does it and nobody learns of it. */
  keepBackAnswersTo(statement: string): void;
  /** Resolves once such a statement went through. */
  readonly seen: Promise<void>;
  /** All is forwarded again. */
  letThrough(): void;
  close(): Promise<void>;
}

/** Forwards 127.0.0.1:port → 127.0.0.1:`serverPort`. */
export async function startLoginProxy(serverPort: number): Promise<LoginProxy> {
  const sockets = new Set<Socket>();
  const { promise: seen, resolve: see } = Promise.withResolvers<undefined>();
  let statement: string | undefined;
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    let muted = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (chunk) => {
      if (statement !== undefined && chunk.includes(statement)) {
        muted = true;
        see(undefined);
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!muted) client.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    seen,
    keepBackAnswersTo: (text) => {
      statement = text;
    },
    letThrough: () => {
      statement = undefined;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
