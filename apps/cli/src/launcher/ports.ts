import { createServer } from 'node:net';
import { failure } from '@keymesh/contracts';
import type { PortWish } from './config.js';

const NEXT_TRIES = 200;

/** Whether 127.0.0.1:port can be listened on right now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** What is told when a port is taken: which, for what, and the three ways out. */
export const portInUse = (wish: PortWish, port = wish.port) =>
  failure('PORT_IN_USE', {
    publicMessage: `Port ${String(port)}, which ${wish.what} needs, is taken by another program. Free it, set ${wish.variable} to another port, or take the next free one with \`npm start -- --auto-ports\`.`,
  });

export interface ChoosePortOptions {
  readonly autoPorts: boolean;
  /** The port of the last start: kept, so that profiles and bookmarks stay valid. Only with `autoPorts`. */
  readonly previous?: number | undefined;
  /** Ports chosen already in this start. */
  readonly taken?: readonly number[];
  readonly isFree?: (port: number) => Promise<boolean>;
}

/** The wished port; with `autoPorts` the previous or the next free one. @throws PORT_IN_USE */
export async function choosePort(wish: PortWish, options: ChoosePortOptions): Promise<number> {
  const { autoPorts, previous, taken = [], isFree = isPortFree } = options;
  const usable = async (port: number): Promise<boolean> => !taken.includes(port) && (await isFree(port));
  if (!autoPorts) {
    if (await usable(wish.port)) return wish.port;
    throw portInUse(wish);
  }
  if (previous !== undefined && (await usable(previous))) return previous;
  for (let port = wish.port; port < Math.min(wish.port + NEXT_TRIES, 65_536); port += 1) {
    if (await usable(port)) return port;
  }
  throw portInUse(wish);
}
