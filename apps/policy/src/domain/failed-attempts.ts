import { DAY, MINUTE, SECOND, type Clock } from '@keymesh/kernel';
import { makeFailedAttempts, type Lockout, type LockoutRule } from '@keymesh/mesh';
import type { MakeRecord } from './audit.js';
import type { AuditEntry } from './ports.js';
import type { Refusals } from './refusals.js';
import { sourceOf } from './source.js';

/** A token that was shown to be its bearer's, and what was said with it was wrong. Nobody gets that wrong often. */
export const TOKEN_RULE: LockoutRule = { free: 2, firstMs: SECOND, longestMs: 15 * MINUTE };
/** So long after its last lockout a token begins anew. */
export const TOKEN_FORGET_MS = DAY;

/** Failures of tokens: in Postgres, because there are few, and a restart or another instance must not forgive them. */
export interface TokenFailures {
  /** @returns the lockout that begins with this failure. @throws STORE_UNAVAILABLE */
  failed(tokenNkey: string): Promise<Lockout | undefined>;
  /** @throws STORE_UNAVAILABLE */
  isLockedOut(tokenNkey: string): Promise<boolean>;
}

/** Failed attempts to come in. */
export interface ConnectionAttempts {
  /** Whether strangers from there are refused without a look. Who proves a key that the mesh knows is no stranger. */
  areStrangersLockedOut(host: string | undefined): boolean;
  /** Counts a stranger: no key, a key that nobody has, or one that it did not prove. Never throws. */
  strangerFailed(host: string | undefined): Promise<void>;
  /** Whether connections with this token are refused for now. Never throws. */
  isTokenLockedOut(tokenNkey: string): Promise<boolean>;
  /** Counts a wrong statement over the connection of a token. Never throws. */
  tokenFailed(tokenNkey: string, principal: string): Promise<void>;
}

export interface ConnectionAttemptsOptions {
  readonly clock: Clock;
  readonly tokens: TokenFailures;
  readonly refusals: Refusals;
  readonly makeRecord: MakeRecord;
  readonly onFailed: (what: 'stranger' | 'token', lockout: Lockout | undefined) => void;
  /** Failures could not be kept, or looked up. */
  readonly onLost: (error: unknown) => void;
  readonly maxSources?: number;
}

/**
 * Counts who fails to come in. INVARIANT: nobody's failures keep out somebody else. Strangers are counted by where they come from, and
 * that is asked of strangers only: whoever proves its key is let in from the same address. A token is counted for what its own bearer says.
 */
export function makeConnectionAttempts(
  options: ConnectionAttemptsOptions,
): ConnectionAttempts & { readonly sources: () => number } {
  const { clock, tokens, refusals, makeRecord, onFailed, onLost, maxSources = 10_000 } = options;
  const sources = makeFailedAttempts({ clock, maxKeys: maxSources });
  const tell = (
    begun: Lockout | undefined,
    what: 'stranger' | 'token',
    about: Partial<Told>,
  ): Promise<void> =>
    begun === undefined
      ? Promise.resolve()
      : refusals.note(`attempts.locked-out ${what}`, lockoutEntry(makeRecord, begun, what, about));
  return {
    areStrangersLockedOut: (host) => sources.isLockedOut(sourceOf(host)),
    async strangerFailed(host) {
      const begun = sources.failed(sourceOf(host));
      onFailed('stranger', begun);
      await tell(begun, 'stranger', host === undefined ? {} : { host });
    },
    // Without Postgres nobody enrols either.
    isTokenLockedOut: (nkey) => tokens.isLockedOut(nkey).catch((error: unknown) => (onLost(error), false)),
    async tokenFailed(nkey, principal) {
      const begun = await tokens.failed(nkey).catch((error: unknown) => {
        onLost(error);
        return undefined;
      });
      onFailed('token', begun);
      await tell(begun, 'token', { subject: principal });
    },
    sources: () => sources.size(),
  };
}

interface Told {
  readonly host: string;
  readonly subject: string;
}

/** An address may be personal: it stands beside the record, where it can be erased. */
const lockoutEntry =
  (
    makeRecord: MakeRecord,
    { failures, lockoutMs }: Lockout,
    what: string,
    { host, subject }: Partial<Told>,
  ) =>
  (summed: number): AuditEntry => ({
    record: makeRecord('attempts.locked-out', 'failure', {
      facts: summed === 0 ? { what, failures, lockoutSeconds: lockoutMs / SECOND } : { what, summed },
      ...(subject === undefined ? {} : { subject }),
    }),
    ...(host === undefined || summed > 0 ? {} : { beside: { host } }),
  });
