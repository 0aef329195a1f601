import { Secret, fromUtf8, utf8, concat } from '@keymesh/kernel';
import { z } from 'zod';
import { failure, isErrorCode } from './errors.js';

const PART = '$part';
const MAX_DEPTH = 16;

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

/** Writes a message: JSON first, where each Secret is `{"$part": n}`, then the secrets' bytes in order. */
export function encodeFrame(message: unknown): Frame {
  const parts: Uint8Array[] = [];
  const json = JSON.stringify(message, function (this: Record<string, unknown>, key: string, value: unknown) {
    const original = this[key]; // before Secret.toJSON redacted it
    if (!(original instanceof Secret)) return value;
    // EXPOSE: a secret leaves its wrapper only into the frame, which the channel encrypts.
    parts.push(original.expose());
    return { [PART]: parts.length };
  });
  const all = [utf8(json), ...parts];
  return { lengths: all.map((part) => part.length), body: concat(...all) };
}

/**
 * Reads a message. The secrets are copies: the caller may zero `body`.
 * @throws MALFORMED_MESSAGE when lengths, JSON or part references do not fit; never repeats content.
 */
export function decodeFrame(header: string | undefined, body: Uint8Array): unknown {
  const lengths = header === undefined || header === '' ? [body.length] : header.split(',').map(Number);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (
    lengths.length > 1_000 ||
    total !== body.length ||
    lengths.some((length) => !Number.isSafeInteger(length) || length < 0)
  ) {
    throw failure('MALFORMED_MESSAGE', {
      publicMessage: 'Keymesh-Parts does not add up to the body. See docs/reference/bus.md.',
    });
  }
  let at = 0;
  const parts = lengths.map((length) => body.subarray(at, (at += length)));
  const used = new Set<number>();
  const revive = (value: unknown, depth: number): unknown => {
    if (depth > MAX_DEPTH)
      throw failure('MALFORMED_MESSAGE', { publicMessage: 'The JSON is nested too deeply.' });
    if (Array.isArray(value)) return value.map((item) => revive(item, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    if (PART in value) {
      const index = value[PART];
      const part = typeof index === 'number' && index >= 1 ? parts[index] : undefined;
      if (
        part === undefined ||
        typeof index !== 'number' ||
        used.has(index) ||
        Object.keys(value).length !== 1
      ) {
        throw failure('MALFORMED_MESSAGE', {
          publicMessage: 'A $part does not name one of the binary parts, once.',
        });
      }
      used.add(index);
      return new Secret(new Uint8Array(part), 'message-part');
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item, depth + 1)]));
  };
  const revived = revive(parseJson(parts[0] ?? new Uint8Array()), 0);
  if (used.size !== parts.length - 1)
    throw failure('MALFORMED_MESSAGE', { publicMessage: 'A binary part is not named in the JSON.' });
  return revived;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return bytes.length === 0 ? {} : JSON.parse(fromUtf8(bytes));
  } catch {
    // INVARIANT: the parser's own text quotes the input, so it never becomes a cause or message.
    throw failure('MALFORMED_MESSAGE');
  }
}

/** Validates with a contract's schema. @throws BAD_REQUEST naming fields and rules, never values; or the field's own code. */
export function parseMessage<T extends z.ZodType>(schema: T, message: unknown): z.output<T> {
  const result = schema.safeParse(message);
  if (result.success) return result.data;
  // A field that has a code of its own says so by its schema's message.
  const own = result.error.issues.find(({ message: text }) => isErrorCode(text));
  if (own !== undefined && isErrorCode(own.message)) throw failure(own.message);
  const problems = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'message'}: ${describeIssue(issue)}`);
  throw failure('BAD_REQUEST', { publicMessage: `The request is not valid. ${problems.join('; ')}.` });
}

// zod's texts may quote what was received, or unrecognised key names; only rules may be told.
function describeIssue(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${issue.expected}`;
    case 'unrecognized_keys':
      return 'has a field that this operation does not take';
    case 'too_big':
      return `at most ${String(issue.maximum)}`;
    case 'too_small':
      return `at least ${String(issue.minimum)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'custom':
    case 'invalid_format':
      return issue.message;
    default:
      return 'is not valid';
  }
}
