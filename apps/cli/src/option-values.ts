import { failure } from '@keymesh/contracts';
import { DAY, HOUR, MINUTE, SECOND } from '@keymesh/kernel';

// What people write after an option, and what it means.

/** An option that may be given several times. */
export const collected = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

/** @throws USAGE unless it is a whole number from 0 on */
export function wholeNumber(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw failure('USAGE', { publicMessage: `${option} takes a whole number.` });
}

const UNITS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };

/** `90s`, `15m`, `8h`, `30d` in milliseconds. @throws USAGE */
export function duration(option: string, text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const unitMs = UNITS[unit ?? ''];
  if (amount !== undefined && unitMs !== undefined) return Number(amount) * unitMs;
  throw failure('USAGE', { publicMessage: `${option} takes a time such as 15m, 8h or 30d.` });
}

/** A point in time: written out, or a time from now such as `30d`. @returns ISO 8601 in UTC. @throws USAGE */
export function pointInTime(option: string, text: string, nowMs = Date.now()): string {
  if (/^\d+[smhd]$/.test(text)) return new Date(nowMs + duration(option, text)).toISOString();
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw failure('USAGE', {
    publicMessage: `${option} takes a date such as 2027-01-31 or 2027-01-31T12:00:00Z, or a time from now such as 30d.`,
  });
}
