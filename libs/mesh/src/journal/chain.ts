import { NO_PREVIOUS, type Pack } from './pack.js';

/** The last pack that was seen of an instance. */
export interface ChainLink {
  readonly sequence: number;
  readonly hash: string;
}

/**
 * `next`: continues the chain (or begins it). `repeat`: the pack that was seen last, once more (a publish that was tried again after the
 * stream's two minutes of deduplication): harmless. `gap`: packs are missing. `fork`: another history than the one seen: forged or two
 * processes under one name.
 */
export type ChainVerdict = 'next' | 'repeat' | 'gap' | 'fork';

/**
 * Where a pack stands in its instance's chain. The caller has checked its signature.
 * @param last the instance's last pack seen, undefined when none was.
 */
export function judgePack(last: ChainLink | undefined, { header, hash }: Pack): ChainVerdict {
  const expected = (last?.sequence ?? 0) + 1;
  if (header.sequence === last?.sequence) return hash === last.hash ? 'repeat' : 'fork';
  if (header.sequence < expected) return 'fork';
  if (header.sequence > expected) return 'gap';
  return header.previous === (last?.hash ?? NO_PREVIOUS) ? 'next' : 'fork';
}
