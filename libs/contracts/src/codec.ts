import { Secret } from '@keymesh/kernel';
import { z } from 'zod';
import { failure } from './errors.js';
import { parseStrictJson } from './strict-json.js';

const PART = '$part';
/** Canonical decimals, at most 1,000 parts of less than 100 MB: one form for one list of lengths. */
const PARTS_HEADER = /^(?:0|[1-9][0-9]{0,7})(?:,(?:0|[1-9][0-9]{0,7})){0,999}$/;

/** A field whose value travels as its own binary part, never inside JSON. Decodes straight into a Secret. */
export const secretBytes = () =>
  z.custom<Secret>((value) => value instanceof Secret, 'must be a binary part').meta({ secret: true });

/** A message on the wire before the channel: all parts one after another, and their byte lengths. */
export interface Frame {
  readonly lengths: readonly number[];
  readonly body: Uint8Array;
}

/** `Keymesh-Parts` of a frame. */
export const partsHeader = (frame: Pick<Frame, 'lengths'>): string => frame.lengths.join(',');

/**
 * Writes a message: JSON first, where each Secret is `{"$part": n}`, then the secrets' bytes in order.
 * @throws BAD_REQUEST when an object of the message has a field `$part` of its own: it would read back as a secret.
 */
export function encodeFrame(message: unknown): Frame {
  const parts: Uint8Array[] = [];
  // Nothing at all is no text either.
  const json = (JSON.stringify(nameParts(message, parts)) as string | undefined) ?? '';
  const lengths = [Buffer.byteLength(json), ...parts.map((part) => part.length)];
  // INVARIANT: memory of its own, never node's pool: it holds secrets, and who takes it zeroes it.
  const body = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = Buffer.from(body.buffer).write(json);
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return { lengths, body };
}

/** The message with `{"$part": n}` for each Secret, whose bytes go into `parts`; the very same where it holds none. */
function nameParts(message: unknown, parts: Uint8Array[]): unknown {
  if (!isObject(message)) return message;
  if (message instanceof Secret) {
    // EXPOSE: a secret leaves its wrapper only into the frame, which the channel encrypts.
    parts.push(message.expose());
    return { [PART]: parts.length };
  }
  if (hasOwnForm(message)) return nameParts(message.toJSON(), parts);
  if (Object.hasOwn(message, PART)) {
    throw failure('BAD_REQUEST', { publicMessage: 'The name $part is taken by the message format.' });
  }
  return mapFields(message, (value) => nameParts(value, parts));
}

/** The same object or list with other values; the very same when none changes, as in most messages. */
function mapFields(of: object, change: (value: unknown) => unknown): object {
  const fields = of as Readonly<Record<string, unknown>>;
  let changed: object | undefined;
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    const other = isObject(value) ? change(value) : value;
    if (other === value) continue;
    changed ??= Array.isArray(of) ? [...(of as unknown[])] : { ...of };
    setField(changed, key, other);
  }
  return changed ?? of;
}

/** A field named __proto__ is a field: defined, not assigned. All others are assigned, which takes less time. */
function setField(of: object, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(of, key, { value, enumerable: true, configurable: true, writable: true });
  else (of as Record<string, unknown>)[key] = value;
}

/**
 * Reads a message. The secrets are copies: the caller may zero `body`.
 * @param header `Keymesh-Parts`; absent or empty: all of the body is JSON.
 * @throws MALFORMED_MESSAGE when lengths, JSON or part references do not fit; never repeats content, leaves no secret behind.
 */
export function decodeFrame(header: string | undefined, body: Uint8Array): unknown {
  const [json = new Uint8Array(), ...parts] = splitParts(header, body);
  const secrets = new Map<number, Secret>();
  try {
    const message = takeParts(parseStrictJson(json), parts, secrets);
    if (secrets.size !== parts.length) throw malformed('A binary part is not named in the JSON.');
    return message;
  } catch (error) {
    for (const secret of secrets.values()) secret.dispose();
    throw error;
  }
}

const malformed = (publicMessage: string) => failure('MALFORMED_MESSAGE', { publicMessage });

const hasOwnForm = (value: object): value is { toJSON(): unknown } =>
  'toJSON' in value && typeof value.toJSON === 'function';

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function splitParts(header: string | undefined, body: Uint8Array): Uint8Array[] {
  if (header === undefined || header === '') return [body];
  const lengths = PARTS_HEADER.test(header) ? header.split(',').map(Number) : [];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (lengths.length === 0 || total !== body.length) {
    throw malformed('Keymesh-Parts does not add up to the body. See docs/reference/bus.md.');
  }
  let at = 0;
  return lengths.map((length) => body.subarray(at, (at += length)));
}

/** Puts a Secret in the place of each `{"$part": n}`. Recursive: strict JSON is at most 16 deep. */
function takeParts(value: unknown, parts: readonly Uint8Array[], secrets: Map<number, Secret>): unknown {
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, PART)) return takePart(value, parts, secrets);
  // No operation has such a field; refused here, because some readers take it for a prototype and some drop it without a word.
  if (Object.hasOwn(value, '__proto__')) throw malformed('The JSON has a field named __proto__.');
  return mapFields(value, (item) => takeParts(item, parts, secrets));
}

function takePart(value: object, parts: readonly Uint8Array[], secrets: Map<number, Secret>): Secret {
  const { [PART]: index } = value as { [PART]: unknown };
  const part = typeof index === 'number' ? parts[index - 1] : undefined;
  if (
    typeof index !== 'number' ||
    part === undefined ||
    secrets.has(index) ||
    Object.keys(value).length > 1
  ) {
    throw malformed('A $part does not name one of the binary parts, once.');
  }
  const secret = new Secret(new Uint8Array(part), 'message-part');
  secrets.set(index, secret);
  return secret;
}
