import { failure, type CredentialType } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { StrengthRules } from '../credential-policy.js';
import type { Values } from '../parts.js';

/** A credential type: one file that says which parts a value has, how strong they must be, and how one is generated. */
export interface CredentialTypePlugin {
  readonly type: CredentialType;
  /** The parts that a value has, all required, with their largest size. */
  readonly parts: readonly { readonly name: string; readonly maxBytes: number }[];
  /** The part that policy measures and that `generate` makes. */
  readonly primaryPart: string;
  /** How the credential policy applies to the primary part. */
  readonly strength: StrengthRules;
  /** Whether a version older than the policy's maximal age counts as expired. */
  readonly ages: boolean;
  /** Makes a primary part of so many characters that satisfies `strength`. */
  readonly generate: (lengthChars: number) => Secret;
}

/**
 * Checks that the values are exactly the parts of the type.
 * @throws CREDENTIAL_EMPTY, CREDENTIAL_VALUES_INVALID, PAYLOAD_TOO_LARGE; naming parts of the type only, never what was given.
 */
export function checkParts(plugin: CredentialTypePlugin, values: Values): void {
  const expected = plugin.parts.map(({ name }) => name);
  const given = Object.keys(values);
  if (given.length !== expected.length || expected.some((name) => !Object.hasOwn(values, name))) {
    throw failure('CREDENTIAL_VALUES_INVALID', {
      publicMessage: `A value of type ${plugin.type} has exactly these parts: ${expected.join(', ')}.`,
    });
  }
  for (const { name, maxBytes } of plugin.parts) {
    const size = values[name]?.sizeBytes ?? 0;
    if (size === 0)
      throw failure('CREDENTIAL_EMPTY', {
        publicMessage: `The part ${name} is empty. Give at least one byte.`,
      });
    if (size > maxBytes) {
      throw failure('PAYLOAD_TOO_LARGE', {
        publicMessage: `The part ${name} may be at most ${maxBytes} bytes.`,
      });
    }
  }
}
