import { describe, expect, test } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { readdirSync, readFileSync } from 'node:fs';
import * as contracts from './index.js';
import { decodeFrame, encodeFrame, parseMessage, partsHeader, type RpcContract } from './index.js';

// Messages as they were once on the wire. Frozen: never edited, only added to. They must read for ever; what is written today
// must be the same bytes while the format's version stays.
interface GoldenMessage {
  readonly description: string;
  readonly contract: string;
  readonly direction: 'request' | 'reply';
  readonly partsHeader: string;
  /** Hex. */
  readonly body: string;
  /** The message, with secrets as `{"secret": hex}`. */
  readonly message: unknown;
}

const folder = new URL('../test/golden/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** Turns `{"secret": hex}` into secrets. */
const revive = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'secret' in value
    ? new Secret(hex(String(value.secret)), 'golden')
    : value;

function shown(value: unknown): unknown {
  if (value instanceof Secret) return { secret: Buffer.from(value.expose()).toString('hex') };
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
}

describe('a golden message', () => {
  test('exists for retrieve and store, in both directions', () => {
    expect(files.length).toBeGreaterThanOrEqual(4);
  });

  test.each(files)('%s reads, is valid, and is written the same', (name) => {
    const golden = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as GoldenMessage;
    const contract = (contracts as unknown as Record<string, RpcContract>)[golden.contract]!;
    const message = decodeFrame(golden.partsHeader, hex(golden.body));
    expect(shown(message)).toEqual(golden.message);
    expect(shown(parseMessage(contract[golden.direction], message))).toEqual(golden.message);
    const frame = encodeFrame(JSON.parse(JSON.stringify(golden.message), revive));
    expect(partsHeader(frame)).toBe(golden.partsHeader);
    expect(Buffer.from(frame.body).toString('hex')).toBe(golden.body);
  });
});
