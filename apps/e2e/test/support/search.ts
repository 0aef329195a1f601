import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, inflateRawSync } from 'node:zlib';
import { findMarkers, type Form } from './canary.js';

/** Where a marker was found: `<place>: <marker> (<form>)`. */
export type Hit = string;
export type Markers = Readonly<Record<string, readonly Form[]>>;

const MAX_PACKED_BYTES = 4 * 2 ** 20;
const MAX_UNPACKED_BYTES = 32 * 2 ** 20;
/** SOURCE: RFC 1952 (without optional fields) and RFC 1950 (32 KiB window, each of the four levels). */
const PACKED = [
  { what: 'gzip', magics: [Buffer.from([0x1f, 0x8b, 0x08, 0x00])], headerBytes: 10 },
  {
    what: 'zlib',
    magics: [0x01, 0x5e, 0x9c, 0xda].map((flags) => Buffer.from([0x78, flags])),
    headerBytes: 2,
  },
] as const;
/** First bytes of streams that this search cannot open (framed snappy and S2): where they are, finding nothing would mean nothing. */
const OPAQUE = ['sNaPpY', 'S2sTwO'].map((name) => Buffer.from(`\u00ff\u0006\u0000\u0000${name}`, 'latin1'));

/** Text of this length in base64 or hex is decoded and searched too: statements in a bundle, rows of bytes in a dump. */
const ENCODED = [
  { what: 'base64', runs: /[A-Za-z0-9+/_-]{40,}/g, encoding: 'base64' },
  { what: 'hex', runs: /(?:[0-9a-f]{2}){40,}/g, encoding: 'hex' },
] as const;
const MAX_DEPTH = 4;

/** Looks for markers in bytes, and in whatever is packed or encoded inside them, in several layers. */
export function searchBytes(place: string, bytes: Buffer, markers: Markers): Hit[] {
  const hits = new Set<string>();
  const search = (layer: Buffer, inside: string, depth: number): void => {
    for (const hit of findMarkers(layer, markers)) hits.add(`${hit}${inside}`);
    if (OPAQUE.some((magic) => layer.includes(magic))) hits.add(`a stream that cannot be searched${inside}`);
    if (depth === MAX_DEPTH) return;
    for (const [what, content] of contentsOf(layer, depth > 0 || !isDataFile(place)))
      search(content, `${inside} in ${what}`, depth + 1);
  };
  search(bytes, '', 0);
  return [...hits].map((hit) => `${place}: ${hit}`);
}

/** Pages of a database: large, and their rows are searched as text beside them. */
const isDataFile = (place: string): boolean => place.startsWith('postgres/');

function* contentsOf(bytes: Buffer, decode: boolean): Generator<[string, Buffer]> {
  for (const { what, magics, headerBytes } of PACKED)
    for (const magic of magics)
      for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
        const content = inflate(bytes.subarray(at + headerBytes, at + MAX_PACKED_BYTES));
        if (content !== undefined) yield [what, content];
      }
  if (!decode) return;
  const text = bytes.toString('latin1');
  for (const { what, runs, encoding } of ENCODED)
    for (const [run] of text.matchAll(runs)) yield [what, Buffer.from(run, encoding)];
}

/** @returns what a stream unfolds to, however it ends; undefined for bytes that only look like the beginning of one. */
function inflate(deflated: Buffer): Buffer | undefined {
  try {
    return inflateRawSync(deflated, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: MAX_UNPACKED_BYTES,
    });
  } catch {
    return undefined;
  }
}

/** Looks through every file under a folder, symbolic links to folders included. */
export async function searchFolder(folder: string, markers: Markers): Promise<Hit[]> {
  const hits: Hit[] = [];
  for (const path of await filesUnder(folder))
    hits.push(...searchBytes(path.slice(folder.length + 1), await readFile(path), markers));
  return hits;
}

async function filesUnder(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) paths.push(path);
    else if (entry.isDirectory() || entry.isSymbolicLink()) paths.push(...(await filesUnder(path)));
  }
  return paths;
}
