import { BlockList, isIP } from 'node:net';

/**
 * Whether an address lies in one of the networks.
 * @param networks CIDR blocks; undefined: from anywhere.
 * @param host the address as the NATS server saw it; without one, or with a name, the answer is no: it fails closed.
 */
export function isInNetworks(host: string | undefined, networks: readonly string[] | undefined): boolean {
  if (networks === undefined) return true;
  // A server that listens on both families tells an IPv4 client as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
  const address = (host ?? '').replace(/^::ffff:(?=[0-9.]+$)/i, '');
  if (isIP(address) === 0) return false;
  const list = new BlockList();
  for (const network of networks) {
    const [prefix = '', bits = ''] = network.split('/');
    list.addSubnet(prefix, Number(bits), familyOf(prefix));
  }
  return list.check(address, familyOf(address));
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
