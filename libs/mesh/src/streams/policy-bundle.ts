import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { failure, POLICY_GET_SUBJECT, POLICY_SUBJECT } from '@keymesh/contracts';
import { headers } from '@nats-io/nats-core';
import type { MeshConnection } from '../connection.js';
import { EXPECTED_LAST_SUBJECT_SEQUENCE, STREAM_SEQUENCE } from '../nats-headers.js';
import { translateRequestError } from '../nats-failures.js';
import { pause } from '../pause.js';
import { makeSettling } from './settling.js';
import { storeMessage, WRONG_LAST_SEQUENCE } from './store-message.js';

const PUT_TIMEOUT_MS = 5_000;
const GET_TIMEOUT_MS = 2_000;
/** A bundle is compressed; what it unfolds to is bounded, because it is read before its signature is checked. */
const MAX_BUNDLE_BYTES = 64 * 2 ** 20;
const MAX_STORED_BYTES = 1_000_000;
/** Safety net under the change messages, which core NATS delivers at most once. */
const POLL_MS = 10_000;
const RETRY_MS = 500;
/** The change message is out before the stream has stored it: look again a little later. */
const SETTLE_MS = [0, 20, 100, 500] as const;
/** As long as a change's reply waits for who says that it goes by it. */
const SETTLED_AFTER_MS = 1_000;

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** A bundle as it is stored, and its revision in the bucket. Signed; check with `openBundle`. */
export interface StoredBundle {
  readonly bytes: Uint8Array;
  readonly revision: number;
}

/**
 * Stores the signed bundle, gzipped, and resolves with its revision in the bucket when it is durable.
 * @param expectedRevision the revision that it replaces (0: none yet); absent: whatever is there.
 * @throws VERSION_CONFLICT when another was put meanwhile, UNAVAILABLE when it is not known to be stored, PAYLOAD_TOO_LARGE.
 */
export async function putPolicyBundle(
  connection: MeshConnection,
  bundle: Uint8Array,
  expectedRevision?: number,
): Promise<number> {
  const bytes = await compress(bundle);
  if (bytes.length > MAX_STORED_BYTES) {
    throw failure('PAYLOAD_TOO_LARGE', {
      publicMessage: 'The policy bundle is larger than the bus carries.',
    });
  }
  const head = headers();
  if (expectedRevision !== undefined) head.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(expectedRevision));
  const outcome = await storeMessage(connection, POLICY_SUBJECT, bytes, head, PUT_TIMEOUT_MS);
  if (outcome.kind === 'stored') return outcome.sequence;
  if (outcome.kind === 'refused' && outcome.errorCode === WRONG_LAST_SEQUENCE)
    throw failure('VERSION_CONFLICT');
  throw failure('UNAVAILABLE', {
    publicMessage: 'The policy bundle could not be stored. Check the NATS server.',
  });
}

/** @returns the stored bundle, or undefined when there is none yet. @throws UNAVAILABLE, MALFORMED_MESSAGE */
export async function getPolicyBundle({ nats }: MeshConnection): Promise<StoredBundle | undefined> {
  const reply = await nats
    .request(POLICY_GET_SUBJECT, '', { timeout: GET_TIMEOUT_MS })
    .catch((error: unknown) => {
      throw translateRequestError(error);
    });
  const code = reply.headers?.code ?? 0;
  if (code === 404) return undefined;
  const revision = Number(reply.headers?.get(STREAM_SEQUENCE));
  if (code !== 0 || !(revision > 0)) throw failure('UNAVAILABLE');
  try {
    return { bytes: await decompress(reply.data, { maxOutputLength: MAX_BUNDLE_BYTES }), revision };
  } catch {
    throw failure('MALFORMED_MESSAGE', { publicMessage: 'The stored policy bundle is damaged.' });
  }
}

/**
 * Calls back with the stored bundle at once and after every change; newest only, one call at a time, each revision once. `look`: for who
 * has reason to think that there is a newer one. `settling`: a change was told, or may have been missed, and the bundle was not read since; whoever
 * decides waits for it, a second at most, so that nobody is served by an older bundle who asks after the change was answered.
 * Survives reconnects. A callback that throws is called again with the same bundle.
 *
 * It reads the stored value instead of watching through a JetStream consumer, because no service may create consumers: one that
 * may could let the server deliver to any subject of the account.
 */
export function watchPolicyBundle(
  connection: MeshConnection,
  onBundle: (bytes: Uint8Array, revision: number) => void | Promise<void>,
): { look(): void; settling(): Promise<void> | undefined; stop(): void } {
  const stopped = new AbortController();
  let wake = new AbortController();
  let seen = 0;
  let settle: number[] = [];
  const settling = makeSettling(SETTLED_AFTER_MS);
  // The message of a change may be ahead of the stream; after a reconnect the stream has what there is.
  let isAhead = false;
  const lookAfter = (cause: 'message' | 'other'): void => {
    settle = [...SETTLE_MS];
    isAhead ||= cause === 'message';
    settling.begin();
    wake.abort();
  };
  const subscription = connection.nats.subscribe(POLICY_SUBJECT, { callback: () => lookAfter('message') });
  const offReconnect = connection.onReconnect(() => lookAfter('other'));

  const look = async (): Promise<number> => {
    const read = settling.reading();
    try {
      const stored = await getPolicyBundle(connection);
      if (stored !== undefined && stored.revision !== seen && !stopped.signal.aborted) {
        await onBundle(stored.bytes, stored.revision);
        seen = stored.revision;
        settle = [];
      }
      if (settle.length === 0) isAhead = false;
      if (!isAhead) read();
      return settle.shift() ?? POLL_MS;
    } catch {
      return RETRY_MS;
    }
  };
  settling.begin();
  void (async () => {
    while (!stopped.signal.aborted) {
      wake = new AbortController();
      const waitMs = await look();
      await pause(waitMs, AbortSignal.any([stopped.signal, wake.signal]));
    }
  })();
  return {
    look: () => lookAfter('other'),
    settling: () => settling.wait(),
    stop() {
      stopped.abort();
      settling.stop();
      offReconnect();
      subscription.unsubscribe();
    },
  };
}
