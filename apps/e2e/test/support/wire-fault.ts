import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way to a server that a spec can make slow, hold up or cut. Bytes keep their order whatever happens. */
export interface FaultyWire {
  readonly port: number;
  /** Each byte takes so much longer, both ways. */
  slow(ms: number): void;
  /** Nothing gets through, and nobody is told; what was sent arrives once it is whole again. */
  stall(): void;
  /** Connections break, and new ones are not taken. */
  cut(): void;
  /** All is as it should be. */
  heal(): void;
  close(): Promise<void>;
}

/** Forwards 127.0.0.1:port → 127.0.0.1:`serverPort`. */
export async function startFaultyWire(serverPort: number): Promise<FaultyWire> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  let isCut = false;
  let whole: Promise<unknown> = Promise.resolve();
  let mend: () => void = () => undefined;
  const heal = (): void => {
    mend();
    [delayMs, isCut] = [0, false];
  };

  const pump = (from: Socket, to: Socket): void => {
    let last: Promise<unknown> = Promise.resolve();
    from.on('data', (chunk) => {
      const due = new Promise((resolve) => setTimeout(resolve, delayMs));
      last = last.then(async () => {
        await due;
        await whole;
        if (!to.destroyed) to.write(chunk);
      });
    });
    from.on('close', () => to.destroy());
  };
  const server = createServer({ noDelay: true }, (client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect({ port: serverPort, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    pump(client, upstream);
    pump(upstream, client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    slow: (ms) => void (delayMs = ms),
    stall() {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      whole = promise;
      mend = () => resolve(undefined);
    },
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    heal,
    close: async () => {
      heal();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
