import { MsgHdrsImpl, type MsgHdrs } from '@nats-io/nats-core';

/**
 * The first value of the header of exactly this name, empty for none: what `get` gives, which compares the name with that of every header
 * for each that is read, and a request has nine.
 */
export const headerOf = (head: MsgHdrs | undefined, name: string): string =>
  head instanceof MsgHdrsImpl ? (head.headers.get(name)?.[0] ?? '') : (head?.get(name) ?? '');
