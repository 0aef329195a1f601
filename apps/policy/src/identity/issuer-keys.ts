import { failure, type TokenIdentity } from '@keymesh/contracts';
import { HOUR, MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import { createLocalJWKSet, errors, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import type { FetchJson } from './fetch-json.js';

/** How old fetched keys get before they are looked at again. */
const FRESH_MS = 10 * MINUTE;
/** With the issuer away, its last keys serve so long. */
const STALE_MS = 24 * HOUR;
/** Tokens with keys that we do not know make us ask the issuer this often at most: strangers can send them. */
const COOLDOWN_MS = 10 * SECOND;
const MAX_KEYS = 64;

/** The key that a token's header asks for. @throws jose's JWKS errors; UNAVAILABLE when the issuer's keys cannot be had, nor young ones known. */
export type FindIssuerKey = (...asked: Parameters<LocalJWKSet>) => ReturnType<LocalJWKSet>;

interface Fetched {
  readonly keys: LocalJWKSet;
  readonly fetchedAtMs: number;
}

export interface IssuerKeysPorts {
  readonly fetchJson: FetchJson;
  readonly clock: Clock;
  /** Its keys could not be had just now. Who asks is told nothing of it, so that somebody has to be. */
  readonly onUnavailable?: (issuer: string, error: unknown) => void;
}

/** The keys of a rule's issuer: pinned in it, or fetched where it says, kept, and fetched anew when a token has a key that is not among them. */
export function makeIssuerKeys(
  { issuer, keys: source }: Pick<TokenIdentity, 'issuer' | 'keys'>,
  { fetchJson, clock, onUnavailable }: IssuerKeysPorts,
): FindIssuerKey {
  if (source.from === 'pinned') return createLocalJWKSet(publicKeys(source));
  let known: Fetched | undefined;
  let askedAtMs = -Infinity;
  let asking: Promise<void> | undefined;

  const ask = async (): Promise<void> => {
    const uri = source.from === 'uri' ? source.uri : await discover(issuer, fetchJson);
    known = { keys: createLocalJWKSet(publicKeys(await fetchJson(uri))), fetchedAtMs: clock.monotonic() };
  };
  /** Never throws: what is known goes on serving. */
  const refresh = async (): Promise<void> => {
    if (asking === undefined) {
      if (clock.monotonic() - askedAtMs < COOLDOWN_MS) return;
      askedAtMs = clock.monotonic();
      asking = ask()
        .catch((error: unknown) => onUnavailable?.(issuer, error))
        .finally(() => (asking = undefined));
    }
    await asking;
  };
  const current = (): LocalJWKSet => {
    if (known === undefined || clock.monotonic() - known.fetchedAtMs > STALE_MS) throw failure('UNAVAILABLE');
    return known.keys;
  };
  return async (...asked) => {
    if (known === undefined || clock.monotonic() - known.fetchedAtMs > FRESH_MS) await refresh();
    try {
      return await current()(...asked);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await refresh(); // the issuer may have changed its keys
      return current()(...asked);
    }
  };
}

/** SOURCE: OpenID Connect Discovery 1.0 section 4.3: the document says the issuer that it was asked of, else it is somebody else's. */
async function discover(issuer: string, fetchJson: FetchJson): Promise<string> {
  const document = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { issuer: says, jwks_uri: uri } = isObject(document) ? document : {};
  if (says !== issuer || typeof uri !== 'string')
    throw failure('UNAVAILABLE', {
      publicMessage: 'Its discovery document is not of this issuer, or names no keys.',
      details: { problem: 'discovery' },
    });
  return uri;
}

// INVARIANT: only public signature keys are looked at; a symmetric key in a key set never verifies anything.
function publicKeys(document: unknown): JSONWebKeySet {
  const keys = isObject(document) && Array.isArray(document.keys) ? (document.keys as unknown[]) : undefined;
  if (keys === undefined)
    throw failure('UNAVAILABLE', {
      publicMessage: 'What it answered is no set of keys.',
      details: { problem: 'no-key-set' },
    });
  const usable = keys.filter(
    (key): key is JSONWebKeySet['keys'][number] =>
      isObject(key) && ['RSA', 'EC', 'OKP'].includes(String(key.kty)) && !Object.hasOwn(key, 'd'),
  );
  return { keys: usable.slice(0, MAX_KEYS) };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
