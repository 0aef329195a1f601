import { PRIMARY_PARTS, type CredentialType } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';

/** Text is taken as UTF-8. A Secret or array stays the caller's, who may wipe it after the call. */
export type Value = string | Uint8Array | Secret;

/** A value as it is given plainly. */
export interface GivenValue {
  /** The part that the type means by "the value": the key, the password, the private key. */
  readonly value?: Value | undefined;
  /** The part of this name, for types that have one. */
  readonly username?: string | undefined;
  /** Parts by name, beside `value` or instead of it. */
  readonly values?: Readonly<Record<string, Value>> | undefined;
}

/** Copies of what was given, by the names of its parts; the caller disposes them. @returns undefined when nothing was given. */
export function valueParts(
  type: string,
  { value, username, values }: GivenValue,
): Record<string, Secret> | undefined {
  const given: Record<string, Value> = { ...values };
  if (username !== undefined) given.username = username;
  if (value !== undefined) given[primaryPartOf(type)] = value;
  const entries = Object.entries(given);
  return entries.length === 0
    ? undefined
    : Object.fromEntries(entries.map(([name, part]) => [name, copyOf(part)]));
}

/** Of a type that this client does not know the vault says what is wrong. */
export const primaryPartOf = (type: string): string =>
  Object.hasOwn(PRIMARY_PARTS, type) ? PRIMARY_PARTS[type as CredentialType] : 'value';

function copyOf(value: Value): Secret {
  if (typeof value === 'string') return Secret.fromText(value, 'value');
  // EXPOSE: copied into a Secret that the method wipes; the caller's own stays the caller's.
  return new Secret(new Uint8Array(value instanceof Secret ? value.expose() : value), 'value');
}
