import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

// The server's end of one client's wire, in the hands of whoever owns the server. SOURCE: NATS client protocol (docs.nats.io, "Client protocol").

/** A message as it crosses: PUB/HPUB upwards, MSG/HMSG downwards. */
export interface CrossingMessage {
  readonly direction: 'up' | 'down';
  readonly subject: string;
  /** Of a message downwards. */
  readonly sid?: string | undefined;
  readonly reply: string | undefined;
  /** `NATS/1.0\r\n…\r\n\r\n`; empty for none. */
  readonly head: Buffer;
  readonly body: Buffer;
}

/** What is done with a message: whatever is passed to `deliver`, now or later, goes on its way. */
export type Meddle = (message: CrossingMessage, deliver: (message: CrossingMessage) => void) => void;

export interface BrokerProxy {
  readonly url: string;
  /** Every byte that crossed, both ways. */
  readonly seen: () => Buffer;
  readonly messages: readonly CrossingMessage[];
  /** CONNECT lines of the client, with its signature of the nonce. */
  readonly logins: readonly Readonly<Record<string, unknown>>[];
  meddle(with_: Meddle | undefined): void;
  /** The nonce that the next connection is asked to sign instead of the server's. */
  chooseNonce(nonce: string | undefined): void;
  close(): Promise<void>;
}

/** Forwards 127.0.0.1:port → the mesh's server. */
export async function startBrokerProxy(natsUrl: string): Promise<BrokerProxy> {
  const upstreamPort = Number(new URL(natsUrl).port);
  const sockets = new Set<Socket>();
  const bytes: Buffer[] = [];
  const messages: CrossingMessage[] = [];
  const logins: Record<string, unknown>[] = [];
  let meddle: Meddle | undefined;
  let nonce: string | undefined;

  const pump = (direction: 'up' | 'down', from: Socket, to: Socket): void => {
    const write = (message: CrossingMessage): void => {
      if (!to.destroyed) to.write(encode(message));
    };
    const onLine = (line: string): void => {
      if (line.startsWith('CONNECT ')) logins.push(JSON.parse(line.slice(8)) as Record<string, unknown>);
      if (line.startsWith('INFO ') && nonce !== undefined)
        to.write(`INFO ${JSON.stringify({ ...(JSON.parse(line.slice(5)) as object), nonce })}\r\n`);
      else to.write(`${line}\r\n`);
    };
    const read = makeReader(direction, onLine, (message) => {
      messages.push(message);
      if (meddle === undefined) write(message);
      else meddle(message, write);
    });
    from.on('data', (chunk: Buffer) => {
      bytes.push(chunk);
      read(chunk);
    });
  };
  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    pump('up', client, upstream);
    pump('down', upstream, client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `nats://127.0.0.1:${String((server.address() as { port: number }).port)}`,
    seen: () => Buffer.concat(bytes),
    messages,
    logins,
    meddle: (change) => void (meddle = change),
    chooseNonce: (chosen) => void (nonce = chosen),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Cuts a stream of the protocol into lines and messages. */
function makeReader(
  direction: 'up' | 'down',
  onLine: (line: string) => void,
  onMessage: (message: CrossingMessage) => void,
): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf('\r\n');
      if (end < 0) return;
      const line = rest.toString('latin1', 0, end);
      const [verb = '', subject = '', ...fields] = line.split(' ');
      if (!/^H?(PUB|MSG)$/.test(verb)) {
        onLine(rest.toString('utf8', 0, end));
        rest = rest.subarray(end + 2);
        continue;
      }
      const total = Number(fields.pop());
      if (rest.length < end + 2 + total + 2) return;
      const headSize = verb.startsWith('H') ? Number(fields.pop()) : 0;
      const sid = direction === 'down' ? fields.shift() : undefined;
      const payload = Buffer.from(rest.subarray(end + 2, end + 2 + total));
      const [head, body] = [payload.subarray(0, headSize), payload.subarray(headSize)];
      onMessage({ direction, subject, sid, reply: fields[0], head, body });
      rest = rest.subarray(end + 2 + total + 2);
    }
  };
}

function encode({ direction, subject, sid, reply, head, body }: CrossingMessage): Buffer {
  const verb = `${head.length > 0 ? 'H' : ''}${direction === 'up' ? 'PUB' : 'MSG'}`;
  const sizes = head.length > 0 ? [head.length, head.length + body.length] : [body.length];
  const line = [verb, subject, sid, reply, ...sizes].filter((field) => field !== undefined).join(' ');
  return Buffer.concat([Buffer.from(`${line}\r\n`), head, body, Buffer.from('\r\n')]);
}

/** Headers of a message by name. */
export function headersOf({ head }: Pick<CrossingMessage, 'head'>): Map<string, string> {
  const lines = head.toString('utf8').split('\r\n').slice(1).filter(Boolean);
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
}

/** A message's header block with some headers changed; undefined takes one away. */
export function withHeaders(
  message: Pick<CrossingMessage, 'head'>,
  change: Readonly<Record<string, string | undefined>>,
): Buffer {
  const all = headersOf(message);
  for (const [name, value] of Object.entries(change))
    if (value === undefined) all.delete(name);
    else all.set(name, value);
  return Buffer.from(
    `NATS/1.0\r\n${[...all].map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`,
  );
}
