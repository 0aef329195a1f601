import { credentialRotatedPush, subjects } from '@keymesh/contracts';
import { MINUTE } from '@keymesh/kernel';
import type { MeshConnection } from '@keymesh/mesh';
import type { RetrievedCredential } from './retrieved-credential.js';

/** A running watch. */
export interface Watch {
  /** Ends it; no callback starts afterwards. */
  stop(): void;
}

interface WatchOptions {
  readonly connection: MeshConnection;
  readonly retrieve: () => Promise<RetrievedCredential>;
  readonly onChange: (credential: RetrievedCredential) => void | Promise<void>;
  /** How often to ask without a push: what a broker that drops pushes can delay. */
  readonly pollMs?: number;
}

/**
 * Follows one credential. A push is only a hint (the broker may forge or drop it): the value always comes from the vault
 * through the channel, and only a higher version is reported.
 * @throws what the first retrieve throws.
 */
export async function watchCredential({
  connection,
  retrieve,
  onChange,
  pollMs = MINUTE,
}: WatchOptions): Promise<Watch> {
  const first = await retrieve();
  const { credentialId } = first;
  let seen = first.version;
  let stopped = false;
  let turn = Promise.resolve();
  await onChange(first);

  const look = async (): Promise<void> => {
    if (stopped) return;
    const credential = await retrieve().catch(() => undefined); // the next push or poll tries again
    if (credential === undefined) return;
    if (credential.version <= seen) {
      credential.dispose();
      return;
    }
    seen = credential.version;
    await onChange(credential);
  };
  // One at a time, so that callbacks come in order.
  const lookInTurn = (): void => {
    turn = turn.then(look).catch(() => undefined);
  };

  const subscription = connection.nats.subscribe(
    subjects.push(connection.principal, 'credential', 'rotated'),
    {
      callback: (error, message) => {
        if (error === null && isAbout(message.data, credentialId)) lookInTurn();
      },
    },
  );
  const poll = setInterval(lookInTurn, pollMs);
  poll.unref();
  const endReconnects = connection.onReconnect(lookInTurn);
  return {
    stop: () => {
      stopped = true;
      clearInterval(poll);
      endReconnects();
      subscription.unsubscribe();
    },
  };
}

function isAbout(data: Uint8Array, credentialId: string): boolean {
  try {
    return (
      credentialRotatedPush.parse(JSON.parse(new TextDecoder().decode(data))).credentialId === credentialId
    );
  } catch {
    return false; // not ours to judge: anyone who owns the broker can send anything here
  }
}
