import { randomBytes } from 'node:crypto';
import { subjects } from '@keymesh/contracts';
import { toBase64Url, type Clock } from '@keymesh/kernel';
import type { MeshConnection } from '@keymesh/mesh';
import { CURRENCY_MS } from '../store/currency.js';
import { makeAsking } from './acknowledgements.js';
import { makeRollCall } from './roll-call.js';
import { decodeSync, encodeSync, type SyncMessage, type SyncSeal } from './sync-message.js';

const SUBJECT = subjects.invalidate('vault');
const HELLO_EVERY_MS = CURRENCY_MS / 2;

export interface InstanceSyncOptions {
  readonly connection: MeshConnection;
  readonly instance: string;
  readonly seal: SyncSeal;
  readonly clock: Clock;
  /** @param withdrawn something was taken away, and whoever did it waits for our word. */
  readonly onChanged: (nameTag: string, credentialId: string, withdrawn: boolean) => void;
  /** Messages may have been missed (the connection was lost), or somebody cannot say what changed. */
  readonly onUnknown: () => void;
}

/** The other instances that were told something: those that have done it, and those that did not say so in time. */
export interface Told {
  readonly obeyed: readonly string[];
  readonly silent: readonly string[];
}

/** What changed; undefined: anything may have. */
export type Change = { readonly nameTag: string; readonly credentialId: string } | undefined;

export interface InstanceSync {
  /** Subscribes and says hello; resolves when the server has it. Before the index is read for the first time. */
  readonly start: () => Promise<void>;
  /**
   * Tells all instances of a committed change, and resolves when the server has the message: whoever is asked after that
   * reply gets it before the question. @param awaitEveryone waits until all have acknowledged, or a second has passed. Never throws.
   */
  readonly tell: (change: Change, awaitEveryone: boolean) => Promise<void>;
  /** Who obeys when another instance tells that the vault was locked or unlocked; acknowledged when it resolves. Must not reject. */
  readonly onLock: (obey: () => Promise<void>) => void;
  /** Tells all instances that the vault was locked or unlocked, and waits until they have obeyed, a second at most. Never throws. */
  readonly tellLock: () => Promise<Told>;
  /** This instance's name among the others. */
  readonly name: string;
  /** The others that were heard of lately. */
  readonly present: () => readonly string[];
  readonly stop: () => void;
}

/** Keeps the caches of several vault instances coherent (DESIGN section 6). */
export function makeInstanceSync(options: InstanceSyncOptions): InstanceSync {
  const { connection, seal } = options;
  // Also where two were configured with one name, neither may take the other's messages for its own.
  const instance = `${options.instance}/${toBase64Url(randomBytes(6))}`;
  const others = makeRollCall(options.clock);
  let stop = (): void => undefined;
  let obeyLock: (() => Promise<void>) | undefined;

  const send = (message: SyncMessage): void => connection.nats.publish(SUBJECT, encodeSync(seal, message));
  const hello = (): void => send({ kind: 'hello', from: instance });
  const asking = makeAsking(async (message) => {
    send(message);
    await connection.nats.flush();
  });
  const receive = (data: Uint8Array): void => {
    const message = decodeSync(seal, data);
    if (message === undefined || message.from === instance) return;
    if (message.kind === 'bye') {
      others.left(message.from);
      return;
    }
    // Whoever has just come need not wait for our next hello to know whom to ask.
    if (others.heard(message.from)) quietly(hello);
    if (message.kind === 'ack') asking.came(message.id, message.from);
    if (message.kind === 'lock') {
      const { id } = message;
      void obeyLock?.().then(() => quietly(() => send({ kind: 'ack', from: instance, id })));
    }
    if (message.kind !== 'changed') return;
    const { change, wantsAck } = message;
    if (change === undefined) options.onUnknown();
    else options.onChanged(change.nameTag, change.credentialId, wantsAck);
    if (wantsAck) send({ kind: 'ack', from: instance, id: message.id });
  };

  return {
    async start() {
      stop = await listen(options, receive, () => quietly(hello));
    },
    async tell(change, awaitEveryone) {
      const asked = awaitEveryone ? others.expected() : [];
      const what = change === undefined ? {} : { change };
      // After a second no instance serves what it read before the commit, told or not.
      await asking.ask(
        // Also where nobody was heard of lately: whoever hears it knows that something is taken away.
        (id) => ({ kind: 'changed', from: instance, id, ...what, wantsAck: awaitEveryone }),
        asked,
      );
    },
    onLock: (obey) => void (obeyLock = obey),
    async tellLock() {
      const asked = others.present();
      const silent = await asking.ask((id) => ({ kind: 'lock', from: instance, id }), asked);
      return { obeyed: asked.filter((name) => !silent.has(name)), silent: [...silent] };
    },
    name: instance,
    present: () => others.present(),
    stop() {
      quietly(() => send({ kind: 'bye', from: instance }));
      stop();
    },
  };
}

/** Subscribes, and says hello now and then. @returns what ends both, once the server has the subscription */
async function listen(
  { connection, onUnknown }: InstanceSyncOptions,
  receive: (data: Uint8Array) => void,
  hello: () => void,
): Promise<() => void> {
  // A callback, not an iterator: it runs in the order of the wire, before a request that came after it.
  const subscription = connection.nats.subscribe(SUBJECT, {
    callback: (error, message) => {
      if (error === null) receive(message.data);
    },
  });
  const timer = setInterval(hello, HELLO_EVERY_MS);
  const endReconnects = connection.onReconnect(onUnknown);
  hello();
  await connection.nats.flush();
  return () => {
    subscription.unsubscribe();
    clearInterval(timer);
    endReconnects();
  };
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // The connection is closing; without a hello the others forget us, which is right.
  }
}
