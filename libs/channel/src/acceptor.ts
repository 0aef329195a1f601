import { randomBytes } from 'node:crypto';
import { MINUTE, fromBase64Url, toBase64Url, type Clock } from '@keymesh/kernel';
import type { ChannelPrivateKey } from './channel-key.js';
import { CLOCK_SKEW_MS, MAX_SESSION_MS, SALT_BYTES } from './limits.js';
import { expired, rejected } from './refusals.js';
import { makeServiceSession, type ServiceSession } from './service-session.js';
import { isSetupSigned, parseSetup, setupInfo, type Setup } from './setup.js';
import { channelSuite, exportSessionKeys } from './suite.js';

const DEFAULT_MAX_SESSIONS = 10_000;
/** Floors cost ~100 bytes each, sessions a kilobyte: remember eight times as many. */
const FLOORS_PER_SESSION = 8;

export interface AcceptorOptions {
  readonly service: string;
  /** The service's own keys that still live, by key id. */
  readonly privateKey: (keyId: string) => ChannelPrivateKey | undefined;
  /** Whether this is the channel key (base64url) of this principal, now and not disabled. Asked for every message. */
  readonly isChannelKeyOf: (principal: string, publicKey: string) => boolean;
  readonly clock: Clock;
  /** Sessions kept open; the least recently used one gives way. */
  readonly maxSessions?: number;
  /** Counts set-ups that name a key of their asker and do not prove it. Absent: nobody is held off. */
  readonly attempts?: SetupAttempts;
}

/** By asker, as the broker says. Sessions that are open are not asked for. */
export interface SetupAttempts {
  isLockedOut(asker: string): boolean;
  failed(asker: string): void;
  succeeded(asker: string): void;
}

export interface Acceptor {
  /** As {@link Acceptor.accept}, for a header that was accepted before; undefined for any other. @throws as accept */
  known(setupHeader: string): ServiceSession | undefined;
  /**
   * The session of a `Keymesh-Channel` header; the asymmetric work is done once a header.
   * @param asker who asks, as the broker says: a set-up in another's name is refused before any work. Absent: not known.
   * @throws CHANNEL_REJECTED, CHANNEL_EXPIRED (over, or a key that is not here any more).
   */
  accept(setupHeader: string, asker?: string): Promise<ServiceSession>;
}

interface Entry {
  readonly session: ServiceSession;
  readonly clientPublicKey: string;
  readonly highest: () => number;
}

/** Makes the service's end of the channel. One per process. */
export const makeAcceptor = (options: AcceptorOptions): Acceptor =>
  makeAcceptorWith(options, () => randomBytes(SALT_BYTES));

/** Test-only seam: fixed salts make the golden vectors. Not exported from the package. */
export function makeAcceptorWith(options: AcceptorOptions, makeSalt: () => Uint8Array): Acceptor {
  const { clock, isChannelKeyOf } = options;
  const book = makeSessionBook(options.maxSessions ?? DEFAULT_MAX_SESSIONS, clock);
  const opening = new Map<string, Promise<Entry>>();

  const start = async (header: string, setup: Setup, key: ChannelPrivateKey, info: Uint8Array) => {
    const keys = await decapsulate(key, setup.encapsulated, info);
    // INVARIANT: one session, one window. Another header with the same keys (whoever signs can make more) is the same session.
    const known = book.findById(keys.sessionId);
    if (known !== undefined) return known;
    const { principal, expiresAt } = setup;
    const floor = book.floorOf(keys.sessionId);
    const made = makeServiceSession({ principal, expiresAt, keys, salt: makeSalt(), floor, clock });
    const entry = { ...made, clientPublicKey: toBase64Url(setup.clientPublicKey) };
    book.add(header, entry);
    return entry;
  };

  const openNew = (header: string, asker: string | undefined): Promise<Entry> => {
    const pending = opening.get(header);
    if (pending !== undefined) return pending;
    const { setup, key, info } = checkSetup(header, asker, options);
    const started = start(header, setup, key, info).finally(() => opening.delete(header));
    opening.set(header, started);
    return started;
  };

  /** Asked again for every message: a session ends with its time, and with its principal's key. */
  const checked = ({ session, clientPublicKey }: Entry): ServiceSession => {
    if (clock.now() >= session.expiresAt) throw expired();
    if (!isChannelKeyOf(session.principal, clientPublicKey)) throw rejected();
    return session;
  };

  return {
    known(header) {
      const entry = book.find(header);
      return entry === undefined ? undefined : checked(entry);
    },
    accept: async (header, asker) => checked(book.find(header) ?? (await openNew(header, asker))),
  };
}

/** Everything that can be checked before the service's private key is touched. */
function checkSetup(header: string, asker: string | undefined, options: AcceptorOptions) {
  const setup = parseSetup(header);
  if (setup?.service !== options.service) throw rejected();
  if (asker !== undefined && setup.principal !== asker) throw rejected();
  const key = options.privateKey(setup.keyId);
  const now = options.clock.now();
  if (key === undefined || now >= key.statement.notAfter || now >= setup.expiresAt) throw expired();
  if (setup.expiresAt > key.statement.notAfter) throw rejected();
  if (setup.expiresAt > now + MAX_SESSION_MS + CLOCK_SKEW_MS) throw rejected();
  const info = setupInfo(setup, fromBase64Url(key.statement.publicKey) ?? new Uint8Array());
  if (!options.isChannelKeyOf(setup.principal, toBase64Url(setup.clientPublicKey))) throw rejected();
  checkSigned(setup, info, asker, options.attempts);
  return { setup, key, info };
}

/**
 * INVARIANT: only set-ups that name a key which their asker has are counted: a process of the asker that still uses a removed key holds off
 * nobody, nor does anybody who asks under another name.
 */
function checkSigned(setup: Setup, info: Uint8Array, asker = '', attempts?: SetupAttempts): void {
  if (attempts?.isLockedOut(asker) === true) throw rejected();
  if (isSetupSigned(setup, info)) {
    attempts?.succeeded(asker);
    return;
  }
  attempts?.failed(asker);
  throw rejected();
}

async function decapsulate(key: ChannelPrivateKey, encapsulated: Uint8Array, info: Uint8Array) {
  try {
    // An all-zero shared secret is refused by the X25519 operation itself: RFC 7748 section 6.1.
    return await exportSessionKeys(await channelSuite().SetupRecipient(key.keyPair, encapsulated, { info }));
  } catch {
    throw rejected();
  }
}

/**
 * Open sessions by header, bounded. What is evicted before its time leaves its highest sequence behind: when the session comes
 * back, everything up to it counts as seen, so that eviction does not reopen the door to replays.
 */
function makeSessionBook(maxSessions: number, clock: Clock) {
  const sessions = new Map<string, Entry>();
  const headers = new Map<string, string>();
  const floors = new Map<string, { highest: number; expiresAt: number }>();
  let sweptAt = clock.monotonic();

  const drop = (header: string, { session }: Entry): void => {
    sessions.delete(header);
    headers.delete(session.sessionId);
  };
  const sweep = (): void => {
    if (clock.monotonic() - sweptAt < MINUTE) return;
    sweptAt = clock.monotonic();
    const now = clock.now();
    for (const [header, entry] of sessions) if (now >= entry.session.expiresAt) drop(header, entry);
    for (const [id, { expiresAt }] of floors) if (now >= expiresAt) floors.delete(id);
  };
  const evict = (header: string, entry: Entry): void => {
    drop(header, entry);
    const { session, highest } = entry;
    floors.set(session.sessionId, { highest: highest(), expiresAt: session.expiresAt });
    const [oldest] = floors.keys();
    if (floors.size > maxSessions * FLOORS_PER_SESSION && oldest !== undefined) floors.delete(oldest);
  };

  return {
    find(header: string): Entry | undefined {
      const entry = sessions.get(header);
      if (entry !== undefined) {
        sessions.delete(header);
        sessions.set(header, entry); // most recently used last
      }
      return entry;
    },
    findById: (sessionId: string): Entry | undefined => sessions.get(headers.get(sessionId) ?? ''),
    floorOf: (sessionId: string): number => floors.get(sessionId)?.highest ?? 0,
    add(header: string, entry: Entry): void {
      sweep();
      sessions.set(header, entry);
      headers.set(entry.session.sessionId, header);
      const [oldest] = sessions;
      if (sessions.size > maxSessions && oldest !== undefined) evict(...oldest);
    },
  };
}
