import { createSecretKey, type KeyObject } from 'node:crypto';
import { makeKek } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { MINUTE, type Clock, type Secret } from '@keymesh/kernel';
import { v7 as uuidv7 } from 'uuid';
import type { Kms, WrapContext } from './kms.js';

/** A KEK at rest. */
export interface WrappedKek {
  readonly kekId: string;
  readonly namespaceId: string;
  /** From 1, for each namespace. */
  readonly version: number;
  readonly provider: string;
  readonly providerKeyId: string;
  readonly wrapped: Uint8Array;
}

/** Where KEKs are kept. @throws STORE_UNAVAILABLE */
export interface KekStore {
  /** The id of a namespace, made if it is not there. */
  ensureNamespace(name: string, newId: string): Promise<string>;
  findActive(namespaceId: string): Promise<WrappedKek | undefined>;
  find(kekId: string): Promise<WrappedKek | undefined>;
  /** Adds the first version of a namespace; when somebody else did so at the same time, nothing happens. */
  addFirst(kek: WrappedKek): Promise<void>;
}

/** A KEK in use. The KeyObject is not printed and cannot be wiped (README.md). */
export interface OpenKek {
  readonly kekId: string;
  readonly namespaceId: string;
  readonly version: number;
  readonly key: KeyObject;
}

export interface KeyringOptions {
  readonly kms: Kms;
  readonly store: KekStore;
  readonly clock: Clock;
  readonly onUse?: (outcome: 'hit' | 'miss') => void;
  /** How long an unwrapped KEK serves, milliseconds; default {@link KEK_TTL_MS}. */
  readonly ttlMs?: number;
  /** How often it serves; default {@link KEK_MAX_USES}. */
  readonly maxUses?: number;
  /** @throws VAULT_LOCKED while no key may be had. */
  readonly requireUnlocked?: () => void;
}

export interface Keyring {
  /**
   * The active KEK of a namespace, as the database says now: a rotation anywhere counts at once. The namespace and its first KEK are made if they
   * are not there. @throws KMS_UNAVAILABLE, STORE_UNAVAILABLE, VAULT_LOCKED
   */
  activeKek(namespace: string): Promise<OpenKek>;
  /** @throws KMS_UNAVAILABLE, STORE_UNAVAILABLE, VAULT_LOCKED, CREDENTIAL_DAMAGED for a KEK that is not there or does not unwrap. */
  kek(kekId: string): Promise<OpenKek>;
  /** Forgets every unwrapped key; one that is being unwrapped is not kept. */
  drop(): void;
}

/** How long an unwrapped KEK serves; with the KMS away that is how long the vault goes on. */
export const KEK_TTL_MS = 5 * MINUTE;
export const KEK_MAX_USES = 2 ** 24;
const KEK_BYTES = 32;
/** How long to wait after a renewal that may have failed. */
const RENEW_PAUSE_MS = 10_000;

interface Entry {
  readonly kek: OpenKek;
  readonly unwrappedAt: number;
  uses: number;
  renewAt: number;
}

/** KEKs unwrapped by the KMS, kept for a while. */
export function makeKeyring(options: KeyringOptions): Keyring {
  const { kms, store, clock, onUse, requireUnlocked, ttlMs = KEK_TTL_MS, maxUses = KEK_MAX_USES } = options;
  const unwrapped = makeKekCache(clock, ttlMs, maxUses);
  const unwrapping = new Map<string, Promise<OpenKek>>();
  const namespaceIds = new Map<string, string>();
  let drops = 0;

  /** One unwrapping at a time for each key. */
  const unwrap = (kekId: string, load: () => Promise<WrappedKek | undefined>): Promise<OpenKek> => {
    const under = unwrapping.get(kekId);
    if (under !== undefined) return under;
    const dropsBefore = drops;
    const started = load()
      .then((wrapped) => openKek(kms, wrapped))
      .then((kek) => {
        requireUnlocked?.();
        // Locked and unlocked again meanwhile: what was fetched before the lock is not kept.
        return drops === dropsBefore ? unwrapped.remember(kek) : kek;
      })
      .finally(() => {
        if (unwrapping.get(kekId) === started) unwrapping.delete(kekId);
      });
    unwrapping.set(kekId, started);
    return started;
  };
  const namespaceIdOf = async (name: string): Promise<string> => {
    const known = namespaceIds.get(name) ?? (await store.ensureNamespace(name, uuidv7()));
    namespaceIds.set(name, known);
    return known;
  };
  const cached = (kekId: string): OpenKek | undefined =>
    // With the KMS away the key that is here goes on to its end.
    unwrapped.use(kekId, () => void unwrap(kekId, () => store.find(kekId)).catch(() => undefined));

  return {
    async activeKek(namespace) {
      requireUnlocked?.();
      const namespaceId = await namespaceIdOf(namespace);
      const active = (await store.findActive(namespaceId)) ?? (await addFirst(kms, store, namespaceId));
      const known = cached(active.kekId);
      onUse?.(known === undefined ? 'miss' : 'hit');
      return known ?? unwrap(active.kekId, () => Promise.resolve(active));
    },
    async kek(kekId) {
      requireUnlocked?.();
      const known = cached(kekId);
      onUse?.(known === undefined ? 'miss' : 'hit');
      return known ?? unwrap(kekId, () => store.find(kekId));
    },
    drop() {
      drops += 1;
      unwrapped.clear();
      unwrapping.clear();
    },
  };
}

/** Unwrapped KEKs, each for its time and its uses. */
function makeKekCache(clock: Clock, ttlMs: number, maxUses: number) {
  const entries = new Map<string, Entry>();
  return {
    remember(kek: OpenKek): OpenKek {
      const now = clock.monotonic();
      entries.set(kek.kekId, { kek, unwrappedAt: now, uses: 0, renewAt: now + ttlMs / 2 });
      return kek;
    },
    /** At half its time or uses a key is renewed beside its use, so that no reader waits for the KMS and an outage finds a young key. */
    use(kekId: string, renew: () => void): OpenKek | undefined {
      const entry = entries.get(kekId);
      const now = clock.monotonic();
      if (entry === undefined || now - entry.unwrappedAt >= ttlMs || entry.uses >= maxUses) {
        entries.delete(kekId);
        return undefined;
      }
      entry.uses += 1;
      if (now >= entry.renewAt || entry.uses === Math.ceil(maxUses / 2)) {
        entry.renewAt = now + RENEW_PAUSE_MS;
        renew();
      }
      return entry.kek;
    },
    clear: () => entries.clear(),
  };
}

async function addFirst(kms: Kms, store: KekStore, namespaceId: string): Promise<WrappedKek> {
  await store.addFirst(await wrapNewKek(kms, { namespaceId, version: 1 }));
  const added = await store.findActive(namespaceId);
  if (added === undefined) throw new Error('a namespace has no active KEK though one was added');
  return added;
}

/**
 * A fresh KEK, wrapped. INVARIANT: it was unwrapped again from what the KMS gave and compared (constant time) before anything is stored
 * under it. @throws KMS_UNAVAILABLE
 */
export async function wrapNewKek(
  kms: Kms,
  place: { readonly namespaceId: string; readonly version: number },
): Promise<WrappedKek> {
  using key = makeKek();
  const kek = { kekId: uuidv7(), ...place };
  const wrapped = await kms.wrapKey(key, kekContext(kek));
  using read = await kms.unwrapKey(wrapped, kekContext(kek));
  if (!read.equals(key)) {
    throw failure('KMS_UNAVAILABLE', { details: { reason: 'what the KMS wraps does not unwrap as it was' } });
  }
  return { ...kek, provider: kms.provider, providerKeyId: kms.keyId, wrapped };
}

async function openKek(kms: Kms, kek: WrappedKek | undefined): Promise<OpenKek> {
  if (kek === undefined) throw failure('CREDENTIAL_DAMAGED', { details: { reason: 'its KEK is not there' } });
  using key = await unwrapOrDamaged(kms, kek);
  if (key.sizeBytes !== KEK_BYTES) throw doesNotUnwrap(kek);
  const { kekId, namespaceId, version } = kek;
  // EXPOSE: becomes a KeyObject; the bytes are zeroed when this returns.
  return { kekId, namespaceId, version, key: createSecretKey(key.expose()) };
}

async function unwrapOrDamaged(kms: Kms, kek: WrappedKek): Promise<Secret> {
  try {
    return await kms.unwrapKey(kek.wrapped, kekContext(kek));
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== 'DECRYPTION_FAILED') throw error;
    throw doesNotUnwrap(kek);
  }
}

const doesNotUnwrap = ({ kekId }: WrappedKek) =>
  failure('CREDENTIAL_DAMAGED', { details: { reason: 'its KEK does not unwrap', kekId } });

/** Binds a wrapped KEK to its place: moved to another namespace or version it does not unwrap. */
export const kekContext = ({
  kekId,
  namespaceId,
  version,
}: Pick<WrappedKek, 'kekId' | 'namespaceId' | 'version'>): WrapContext => ({
  purpose: 'keymesh/v1/kek',
  namespaceId,
  kekId,
  kekVersion: String(version),
});
