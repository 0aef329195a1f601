import { concat, fromUtf8, utf8 } from '@keymesh/kernel';
import { z } from 'zod';
import { macEquals, type RowSeal } from '../domain/row-mac.js';

// Core NATS between the vault's instances. Bytes: 32 of HMAC under the integrity key, then JSON. The broker can hold a message back (then
// the second of CURRENCY_MS is the bound) but not make one.
const syncMessage = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('hello'), from: z.string() }),
  /** It ends: nobody need wait for it. An instance's name is never used again, so an old one that is played again says nothing new. */
  z.strictObject({ kind: z.literal('bye'), from: z.string() }),
  z.strictObject({
    kind: z.literal('changed'),
    from: z.string(),
    id: z.string(),
    /** Absent: anything may have changed. */
    change: z.strictObject({ nameTag: z.string(), credentialId: z.string() }).optional(),
    wantsAck: z.boolean(),
  }),
  /** The vault was locked or unlocked: read which. It says no more, so that an old one that is played again can open nothing. */
  z.strictObject({ kind: z.literal('lock'), from: z.string(), id: z.string() }),
  z.strictObject({ kind: z.literal('ack'), from: z.string(), id: z.string() }),
]);
export type SyncMessage = z.output<typeof syncMessage>;
export type SyncSeal = Pick<RowSeal, 'messageMac'>;

const MAC_BYTES = 32;

export function encodeSync({ messageMac }: SyncSeal, message: SyncMessage): Uint8Array {
  const bytes = utf8(JSON.stringify(message));
  return concat(messageMac(bytes), bytes);
}

/** @returns undefined unless an instance of this vault made it. */
export function decodeSync({ messageMac }: SyncSeal, data: Uint8Array): SyncMessage | undefined {
  const bytes = data.subarray(MAC_BYTES);
  if (!macEquals(messageMac(bytes), data.subarray(0, MAC_BYTES))) return undefined;
  return syncMessage.safeParse(JSON.parse(fromUtf8(bytes))).data;
}
