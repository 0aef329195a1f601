import {
  handOver,
  makeHandoverQuestion,
  openWithStateKey,
  takeOver,
  type HandoverQuestion,
} from '@keymesh/channel';
import type { ChannelKeyHandovers } from '@keymesh/postgres';
import { SECOND, Secret, type Clock } from '@keymesh/kernel';
import type { Logger } from '../telemetry/logger.js';

/** Other instances look every five seconds, give or take; after this nobody is there who has the key. */
const PATIENCE_MS = 14 * SECOND;

export interface HandoverOptions {
  readonly stateKey: Secret;
  readonly handovers: ChannelKeyHandovers;
  /** What a key is called where it is sealed. */
  readonly contextOf: (keyId: string) => string;
  /** The private half as it is kept here, sealed under the state key; undefined for a key that is not. */
  readonly findSealed: (keyId: string) => Promise<Uint8Array | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** This instance's part in handing channel keys from one instance to another. */
export interface ChannelKeyHandover {
  /** Answers what other instances ask for, as far as this one has it. */
  answer(): Promise<void>;
  /** @returns the private half from another instance, once one has answered; the first call asks. The caller disposes it. */
  obtain(keyId: string): Promise<Secret<'channel-private-key'> | undefined>;
  /** Whether an answer may still come. */
  isHoping(): boolean;
}

/** Makes both ends of the handover, for instances that share the database and no folder. One per process. */
export function makeChannelKeyHandover(options: HandoverOptions): ChannelKeyHandover {
  const { stateKey, handovers, contextOf, clock, logger } = options;
  const pending = new Map<string, HandoverQuestion>();
  /** When a key was asked for the first time: an answer that does not open gives no new hope. */
  const firstAsked = new Map<string, number>();

  const ask = async (keyId: string): Promise<void> => {
    const question = await makeHandoverQuestion();
    await handovers.ask(keyId, question.recipient);
    pending.set(keyId, question);
    if (!firstAsked.has(keyId)) firstAsked.set(keyId, clock.monotonic());
  };

  return {
    async answer() {
      for (const { keyId, recipient } of await handovers.unanswered()) {
        const sealed = await options.findSealed(keyId);
        if (sealed === undefined) continue; // our own question, or a key that nobody has any more
        try {
          using bytes = new Secret(
            openWithStateKey(stateKey, contextOf(keyId), sealed),
            'channel-private-key',
          );
          // EXPOSE: sealed again at once, to a key that only the asker has.
          const answer = await handOver(stateKey, contextOf(keyId), recipient, bytes.expose());
          await handovers.answer(keyId, recipient, answer);
          logger.info({ keyId }, 'channel key handed over to another instance');
        } catch (error) {
          logger.warn({ err: error, keyId }, 'a channel key could not be handed over');
        }
      }
    },
    async obtain(keyId) {
      const question = pending.get(keyId);
      if (question === undefined) {
        await ask(keyId);
        return undefined;
      }
      const answer = await handovers.collect(keyId, question.recipient);
      if (answer === undefined) return undefined;
      pending.delete(keyId);
      try {
        const opened = await takeOver(stateKey, contextOf(keyId), question, answer);
        firstAsked.delete(keyId);
        return new Secret(opened, 'channel-private-key');
      } catch (error) {
        // Of another state key, or by somebody who can write to the table: it is asked for again.
        logger.warn({ err: error, keyId }, 'what was handed over does not open');
        return undefined;
      }
    },
    isHoping: () => [...firstAsked.values()].some((askedAt) => clock.monotonic() - askedAt < PATIENCE_MS),
  };
}
