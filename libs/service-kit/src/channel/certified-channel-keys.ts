import {
  importChannelKey,
  makeChannelKeyPair,
  readChannelKey,
  type ChannelPrivateKey,
} from '@keymesh/channel';
import { failure } from '@keymesh/contracts';
import type { ChannelKeyStore } from '@keymesh/postgres';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { ChannelKeyProvider } from './channel-key-provider.js';
import { makePrivateHalves, type PrivateHalves, type PrivateHalvesOptions } from './private-halves.js';

/** How often an instance looks for keys that another instance has made. */
const REFRESH_MS = 5 * SECOND;
/** A new key is told to clients only when every instance has seen it; the very first one at once. */
const PROPAGATION_MS = 4 * REFRESH_MS;
/** While another instance's answer is waited for. */
const HANDOVER_POLL_MS = SECOND / 2;
const RETRY_MS = [200, 500, 1_000, 2_000, 5_000] as const;

export interface CertifiedChannelKeysOptions extends PrivateHalvesOptions {
  readonly meshPublicKey: string;
  /** Certified public halves, which all instances see. */
  readonly store: ChannelKeyStore;
  /** @param publicKey X25519, base64url. @returns the statement signed by the mesh key: asks the vault, or is the vault. */
  readonly certify: (publicKey: string) => Promise<string>;
  /** Told when the newest key changes: the end of its life, milliseconds since the epoch. */
  readonly onNewest?: (notAfter: number) => void;
}

interface LiveKey {
  readonly key: ChannelPrivateKey;
  readonly seenAt: number;
}

/**
 * Channel keys that the service makes itself, has certified by the mesh key, and shares with its other instances: the public half through
 * the store, the private half through the folder or, between machines, by handing it over.
 *
 * A key lives 24 hours at most; at half its life a new one is made; at its end it is destroyed here, in the folder and in the store, which is
 * what makes recorded traffic unreadable later (ADR 0023). While nobody certifies, it tries again with growing pauses, and what it has goes on.
 * INVARIANT: a private half is durable in the folder before its public half is in the store, and never in the store.
 */
export function certifiedChannelKeys(options: CertifiedChannelKeysOptions): ChannelKeyProvider {
  const { clock, logger } = options;
  const keys = new Map<string, LiveKey>();
  const halves = makePrivateHalves(options);
  const begun = Promise.withResolvers<undefined>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let failures = 0;

  const alive = (): LiveKey[] =>
    [...keys.values()]
      .filter(({ key }) => key.statement.notAfter > clock.now())
      .sort((a, b) => b.key.statement.notBefore - a.key.statement.notBefore);

  const round = async (): Promise<void> => {
    try {
      await loadKeys(options, keys, halves);
      await halves.answer();
      if (!halves.isHoping()) {
        begun.resolve(undefined);
        if (needsNewKey(alive(), clock)) await makeKey(options, keys, halves);
      }
      failures = 0;
    } catch (error) {
      failures += 1;
      const level = failures > 3 ? 'warn' : 'debug';
      logger[level]({ err: error, failures }, 'no new channel key yet');
      begun.resolve(undefined);
    }
    dropExpired(keys, clock);
    options.onNewest?.(alive()[0]?.key.statement.notAfter ?? 0);
    const calm = halves.isHoping() ? HANDOVER_POLL_MS : REFRESH_MS;
    const pause = failures === 0 ? calm : (RETRY_MS[failures - 1] ?? REFRESH_MS);
    if (!stopped) timer = setTimeout(() => void round(), pause * (0.8 + Math.random() * 0.4));
  };

  return {
    currentStatements() {
      const all = alive();
      const settled = all.filter(({ seenAt }) => clock.monotonic() - seenAt >= PROPAGATION_MS);
      return (settled.length > 0 ? settled : all).map(({ key }) => key.statement.text);
    },
    privateKey(keyId) {
      const found = keys.get(keyId)?.key;
      return found !== undefined && found.statement.notAfter > clock.now() ? found : undefined;
    },
    async start() {
      void round();
      await begun.promise;
    },
    stop() {
      stopped = true;
      begun.resolve(undefined);
      clearTimeout(timer);
    },
  };
}

function needsNewKey(alive: readonly LiveKey[], clock: Clock): boolean {
  const newest = alive[0]?.key.statement;
  if (newest === undefined) return true;
  return clock.now() > newest.notBefore + (newest.notAfter - newest.notBefore) / 2;
}

async function makeKey(
  options: CertifiedChannelKeysOptions,
  keys: Map<string, LiveKey>,
  halves: PrivateHalves,
): Promise<void> {
  const { publicKey, privateKey } = await makeChannelKeyPair();
  try {
    const statement = readStatement(await options.certify(publicKey), options);
    // The vault signs what we asked for: another key in its statement would be one that somebody else can open.
    if (statement?.publicKey !== publicKey)
      throw failure('CHANNEL_REJECTED', { details: { part: 'certified key' } });
    const key = await importChannelKey(statement, privateKey);
    await halves.keep(statement, privateKey);
    const { keyId, text, notAfter } = statement;
    await options.store.save({ keyId, statement: text, notAfter });
    keys.set(keyId, { key, seenAt: options.clock.monotonic() });
    options.logger.info({ keyId, notAfter: new Date(notAfter).toISOString() }, 'channel key certified');
  } finally {
    privateKey.dispose();
  }
}

/** Takes in what others have made and we have not; destroys what is over. */
async function loadKeys(
  options: CertifiedChannelKeysOptions,
  keys: Map<string, LiveKey>,
  halves: PrivateHalves,
): Promise<void> {
  const { clock, store, logger } = options;
  const before = keys.size;
  for (const stored of await store.list()) {
    if (keys.has(stored.keyId) || stored.notAfter <= clock.now()) continue;
    const statement = readStatement(stored.statement, options);
    if (statement?.keyId !== stored.keyId) continue; // of another mesh key, or not begun yet
    try {
      const key = await halves.find(stored, statement);
      if (key === undefined) continue;
      // Keys that were there before us are known to all others; of one that appears later we cannot tell.
      const seenAt = before === 0 ? clock.monotonic() - PROPAGATION_MS : clock.monotonic();
      keys.set(stored.keyId, { key, seenAt });
    } catch (error) {
      logger.warn(
        { err: error, keyId: stored.keyId },
        'a stored channel key does not open; it is left alone',
      );
    }
  }
  await halves.destroyEnded();
  await store.destroyEndedBefore(clock.now());
}

const readStatement = (text: string, { meshPublicKey, service, clock }: CertifiedChannelKeysOptions) =>
  readChannelKey(text, meshPublicKey, service, clock.now());

function dropExpired(keys: Map<string, LiveKey>, clock: Clock): void {
  for (const [keyId, { key }] of keys) if (key.statement.notAfter <= clock.now()) keys.delete(keyId);
}
