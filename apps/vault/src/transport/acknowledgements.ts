import { randomBytes } from 'node:crypto';
import { toBase64Url } from '@keymesh/kernel';
import { CURRENCY_MS } from '../store/currency.js';
import type { SyncMessage } from './sync-message.js';

/** Messages whose acknowledgement is waited for. @param send resolves when the server has the message */
export function makeAsking(send: (message: SyncMessage) => Promise<void>) {
  const waiting = new Map<string, { readonly missing: Set<string>; readonly done: () => void }>();
  return {
    /** Sends a message and waits until these instances have acknowledged it, a second at most. @returns those that have not. */
    async ask(
      messageOf: (id: string) => SyncMessage,
      asked: readonly string[],
    ): Promise<ReadonlySet<string>> {
      const id = toBase64Url(randomBytes(12));
      const missing = new Set(asked);
      await atMost(CURRENCY_MS, async () => {
        const acknowledged =
          missing.size === 0
            ? Promise.resolve()
            : new Promise<void>((done) => waiting.set(id, { missing, done }));
        await send(messageOf(id));
        await acknowledged;
      });
      waiting.delete(id);
      return missing;
    },
    came(id: string, name: string): void {
      const waiter = waiting.get(id);
      waiter?.missing.delete(name);
      if (waiter?.missing.size === 0) waiter.done();
    },
  };
}

/** Waits for `work`, at most `ms`; the full `ms` when it fails. */
async function atMost(ms: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work().catch(() => late), late]).finally(() => clearTimeout(timer));
}
