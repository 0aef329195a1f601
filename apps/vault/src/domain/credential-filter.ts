import type { listCredentials, RequestOf } from '@keymesh/contracts';
import { expiresAtMs, statusOf, type Credential } from './credential.js';

/** What is asked for, without paging. */
export type CredentialFilter = Omit<RequestOf<typeof listCredentials>, 'pageSize' | 'pageToken'>;

/** Makes the test of one request; each condition that it does not name costs nothing. Pure. */
export function makeFilter(filter: CredentialFilter, nowMs: number): (credential: Credential) => boolean {
  const { namespace, type, provider, owner, sensitivity, status } = filter;
  const tags = [...(filter.tags ?? []), ...(filter.tag === undefined ? [] : [filter.tag])];
  const text = filter.text?.toLowerCase();
  const before = filter.expiresBefore === undefined ? undefined : Date.parse(filter.expiresBefore);
  const after = filter.expiresAfter === undefined ? undefined : Date.parse(filter.expiresAfter);
  return (credential) =>
    (namespace === undefined || isWithin(credential.namespace, namespace)) &&
    (type === undefined || credential.type === type) &&
    (provider === undefined || credential.provider === provider) &&
    (owner === undefined || credential.owner === owner) &&
    (sensitivity === undefined || credential.sensitivity === sensitivity) &&
    tags.every((tag) => credential.tags.includes(tag)) &&
    (text === undefined || saysSomewhere(credential, text)) &&
    ((before === undefined && after === undefined) || expiresBetween(credential, after, before)) &&
    (status === undefined || statusOf(credential, nowMs) === status);
}

const isWithin = (namespace: string, above: string): boolean =>
  namespace === above || namespace.startsWith(`${above}/`);

const saysSomewhere = ({ name, label, description }: Credential, text: string): boolean =>
  [name, label, description].some((field) => field?.toLowerCase().includes(text));

function expiresBetween(credential: Credential, afterMs = -Infinity, beforeMs = Infinity): boolean {
  const expires = expiresAtMs(credential);
  return expires !== null && expires > afterMs && expires < beforeMs;
}
