import { HASH_BYTES } from './hashing.js';
import { fromBase64, toBase64 } from './base64.js';

/** What a checkpoint says: the root of the log's first `size` leaves. SOURCE: C2SP tlog-checkpoint. */
export interface Checkpoint {
  /** Unique name of the log; also the name of its key. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** The text that is signed: origin, decimal size, base64 root, one a line. Keymesh writes no extension lines. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${String(size)}\n${toBase64(root)}\n`;

/** @returns undefined unless the text is a checkpoint in canonical form. Extension lines are allowed and ignored. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  if (!text.endsWith('\n')) return undefined;
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n');
  if (!origin || sizeText === undefined || rootText === undefined) return undefined;
  if (!/^(?:0|[1-9]\d{0,15})$/.test(sizeText) || extensions.includes('')) return undefined;
  const size = Number(sizeText);
  const root = fromBase64(rootText);
  if (!Number.isSafeInteger(size) || root?.length !== HASH_BYTES) return undefined;
  return { origin, size, root };
}
