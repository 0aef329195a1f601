import { isIPv4, isIPv6 } from 'node:net';

/**
 * What counts as one source of attempts: an IPv4 address, or the /64 of an IPv6 address, because one machine has all of a /64.
 * @param host as the NATS server saw it. What is no address is a source of its own.
 */
export function sourceOf(host: string | undefined): string {
  // A server that listens on both families tells an IPv4 client as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
  const address = (host ?? '').replace(/^::ffff:(?=[0-9.]+$)/i, '').replace(/%.*$/, '');
  if (isIPv4(address)) return address;
  return isIPv6(address) ? `${groupsOf(address).slice(0, 4).join(':')}::/64` : 'unknown';
}

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): readonly string[] {
  const [head = '', tail] = address.toLowerCase().split('::');
  const split = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [split(head), split(tail ?? '')];
  const missing = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...right].map((group) =>
    group.replace(/^0+(?=.)/, ''),
  );
}
