import { failure } from '@keymesh/contracts';
import type { RetrievedCredential } from '@keymesh/client';
import { fromUtf8 } from '@keymesh/kernel';

/** A value under the name of an environment variable. */
export interface EnvEntry {
  readonly variable: string;
  readonly value: Uint8Array;
}

/** The variables of a credential: its value under `variable`, its other parts after it, e.g. `DB` and `DB_USERNAME`. */
export function envEntries(variable: string, credential: RetrievedCredential): EnvEntry[] {
  return Object.entries(credential.values).map(([part, secret]) => ({
    variable: secret === credential.value ? variable : `${variable}_${part.toUpperCase()}`,
    // EXPOSE: this is the command that a person typed to have the values in a file.
    value: secret.expose(),
  }));
}

/** `billing/stripe-key` as a variable: `STRIPE_KEY`. */
export function variableOf(name: string): string {
  const last = name.split('/').at(-1) ?? name;
  const upper = last.toUpperCase().replace(/[^A-Z0-9]/g, '_');
  return /^[0-9]/.test(upper) ? `_${upper}` : upper;
}

/**
 * Lines `NAME='value'` that dotenv reads back exactly. Values pass through JavaScript strings, which cannot be wiped.
 * @throws USAGE for a value that such a file cannot hold, and for a variable named twice
 */
export function envFile(entries: readonly EnvEntry[]): string {
  const names = new Set<string>();
  return entries
    .map(({ variable, value }) => {
      if (names.has(variable))
        throw failure('USAGE', {
          publicMessage: `Two values would be ${variable}. Name the variables: VARIABLE=credential.`,
        });
      names.add(variable);
      return `${variable}=${quoted(variable, value)}\n`;
    })
    .join('');
}

function quoted(variable: string, bytes: Uint8Array): string {
  const text = textOf(bytes);
  // Between ' or ` everything stands for itself; a backslash before the closing mark would escape it, and CR reads back as LF.
  const mark = ["'", '`'].find((candidate) => text?.includes(candidate) === false);
  if (text !== undefined && mark !== undefined && !/[\r\0]|\\$/.test(text)) return `${mark}${text}${mark}`;
  throw failure('USAGE', {
    publicMessage: `The value for ${variable} cannot stand in an environment file. Use --out-dir.`,
  });
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return fromUtf8(bytes);
  } catch {
    return undefined;
  }
}
