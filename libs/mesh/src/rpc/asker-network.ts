import { isIP, SocketAddress } from 'node:net';
import { HEADERS } from '@keymesh/contracts';
import type { MsgHdrs } from '@nats-io/nats-core';
import { headerOf } from './header-of.js';

/** Networks by what the server says of a connection, which is the same with each request of it. */
const networks = new Map<string, string | undefined>();
const MAX_NETWORKS = 4_096;
/** What the server writes is a few hundred characters; only that is remembered. */
const MAX_INFO_LENGTH = 1_024;

/**
 * From where a client's connection comes, as the NATS server says: it puts the header on what crosses from the clients' account, over
 * whatever a client put there. The word of the broker, no proof (DESIGN promise 2): a policy may ask more of an asker by it, not less.
 * @returns its network, `10.1.2.0/24` or `2001:db8:1::/48`: an address itself is personal and would stand in records for ever. Undefined for
 *   services of the mesh, and where the server says nothing.
 */
export function askerNetwork(head: MsgHdrs | undefined): string | undefined {
  const info = headerOf(head, HEADERS.requestInfo);
  if (info === '') return undefined;
  if (info.length > MAX_INFO_LENGTH) return readNetwork(info);
  if (networks.has(info)) return networks.get(info);
  const network = readNetwork(info);
  // Connections come and go, and each says how far away it is: what is known is forgotten all at once, and read again.
  if (networks.size >= MAX_NETWORKS) networks.clear();
  networks.set(info, network);
  return network;
}

function readNetwork(info: string): string | undefined {
  try {
    const { host } = JSON.parse(info) as { readonly host?: unknown };
    return typeof host === 'string' ? networkOf(host) : undefined;
  } catch {
    return undefined;
  }
}

/** The network of an address, or undefined for what is none. */
export function networkOf(host: string): string | undefined {
  const address = host.toLowerCase().startsWith('::ffff:') ? host.slice('::ffff:'.length) : host;
  const family = isIP(address);
  if (family === 4) return `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
  if (family !== 6) return undefined;
  // Written in full by way of the first 48 bits; the standard's shortest form comes from the platform.
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const first = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - first.length - (tail === '' ? 0 : groupsOf(tail));
  const groups = [...first, ...Array<string>(Math.max(missing, 0)).fill('0'), ...(tail ?? '').split(':')];
  const prefix = `${groups.slice(0, 3).join(':')}::`;
  return `${new SocketAddress({ address: prefix, family: 'ipv6' }).address}/48`;
}

const groupsOf = (text: string): number => text.split(':').length + (text.includes('.') ? 1 : 0);
