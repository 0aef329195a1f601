import { failure, type RotationAdapter } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import type { Values } from '../parts.js';
import { FORMAT_CHECKS } from './part-formats.js';
import type { CredentialTypePlugin, PartSchema } from './plugin.js';

/** A part that breaks a rule. Names the part, which is the type's, and the rule; @param rule ends "The part x …" */
export const invalidPart = (part: string, rule: string): KeymeshError =>
  failure('CREDENTIAL_VALUES_INVALID', { publicMessage: `The part ${part} ${rule}.` });

/**
 * Checks that the values are the parts of the type, and each of its format.
 * @throws CREDENTIAL_EMPTY, CREDENTIAL_VALUES_INVALID, PAYLOAD_TOO_LARGE; naming parts of the type only, never what was given.
 */
export function checkParts(plugin: CredentialTypePlugin, values: Values): void {
  const named = (part: PartSchema): boolean => Object.hasOwn(values, part.name);
  const missing = plugin.parts.filter((part) => part.required && !named(part));
  const isForeign = Object.keys(values).some((name) => !plugin.parts.some((part) => part.name === name));
  if (missing.length > 0 || isForeign) {
    throw failure('CREDENTIAL_VALUES_INVALID', {
      publicMessage:
        missing.length > 0
          ? `A value of type ${plugin.type} needs the part ${missing.map(({ name }) => name).join(', ')}. ${describeParts(plugin)}`
          : `A value of type ${plugin.type} has a part that this type does not take. ${describeParts(plugin)}`,
    });
  }
  for (const part of plugin.parts.filter(named)) checkPart(part, values);
}

function checkPart(part: PartSchema, values: Values): void {
  const { name, maxBytes } = part;
  // EXPOSE: looked at in place; only the names of rules come out.
  const bytes = values[name]?.expose() ?? new Uint8Array();
  if (bytes.length === 0) {
    throw failure('CREDENTIAL_EMPTY', {
      publicMessage: `The part ${name} is empty. Give at least one byte.`,
    });
  }
  if (bytes.length > maxBytes) {
    throw failure('PAYLOAD_TOO_LARGE', {
      publicMessage: `The part ${name} may be at most ${String(maxBytes)} bytes.`,
    });
  }
  const broken = FORMAT_CHECKS[part.format](bytes) ?? part.check?.(bytes);
  if (broken !== undefined) throw invalidPart(name, `must be ${broken}`);
}

function describeParts({ parts }: CredentialTypePlugin): string {
  const names = (required: boolean) =>
    parts
      .filter((part) => part.required === required)
      .map(({ name }) => name)
      .join(', ');
  return `Its parts: ${names(true)}${names(false) === '' ? '' : `; and if there are: ${names(false)}`}.`;
}

/** @throws ROTATION_UNSUPPORTED naming the adapters that fit the type. */
export function checkRotationAdapter(
  { type, rotationAdapters }: CredentialTypePlugin,
  adapter: RotationAdapter,
): void {
  if (rotationAdapters.includes(adapter)) return;
  throw failure('ROTATION_UNSUPPORTED', {
    publicMessage:
      rotationAdapters.length === 0
        ? `No rotation adapter fits ${type}: its provider issues it. Store what it issues as a new version.`
        : `The rotation adapter ${adapter} does not fit ${type}. It takes ${rotationAdapters.join(', ')}.`,
  });
}
