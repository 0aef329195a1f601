import { DAY } from '@keymesh/kernel';
import { expiresAtMs, isExpired, type Credential } from './credential.js';

/** How many days before a credential expires its notices are given. */
export const NOTICE_DAYS = [30, 14, 7, 1] as const;

/** One notice of one expiry; another version or date has another `expiresAtMs`, and notices of its own. */
export interface ExpiryNotice {
  readonly credentialId: string;
  readonly expiresAtMs: number;
  /** Of {@link NOTICE_DAYS}; 0: it has expired. */
  readonly daysBefore: number;
}

/**
 * The notice that is due now, whether it has been given or not: the latest whose time has come. Earlier ones are not made up for, because
 * "expires in 30 days" is wrong five days before. Undefined: none yet, or it never expires.
 */
export function dueNotice(credential: Credential, nowMs: number): ExpiryNotice | undefined {
  const expires = expiresAtMs(credential);
  if (expires === null) return undefined;
  const daysBefore = [...NOTICE_DAYS, 0].findLast((days) => nowMs >= expires - days * DAY);
  return daysBefore === undefined
    ? undefined
    : { credentialId: credential.credentialId, expiresAtMs: expires, daysBefore };
}

/** When its next notice becomes due; undefined: none is left. */
export function nextNoticeAtMs(credential: Credential, nowMs: number): number | undefined {
  const expires = expiresAtMs(credential);
  if (expires === null) return undefined;
  return [...NOTICE_DAYS, 0].map((days) => expires - days * DAY).find((atMs) => atMs > nowMs);
}

/** How many of these expire within so many days; expired ones are not counted. */
export function countExpiring(credentials: readonly Credential[], withinDays: number, nowMs: number): number {
  return credentials.filter((credential) => {
    const expires = expiresAtMs(credential);
    return expires !== null && expires > nowMs && expires <= nowMs + withinDays * DAY;
  }).length;
}

/** How many of these have expired and are handed out or refused as their owners said. */
export const countExpired = (credentials: readonly Credential[], nowMs: number): number =>
  credentials.filter((credential) => isExpired(credential, nowMs)).length;
