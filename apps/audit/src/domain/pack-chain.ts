import type { ServiceName } from '@keymesh/contracts';
import type { PackHeader } from '@keymesh/mesh';
import type { Incident, IncidentKind } from './incident.js';

/**
 * How far the packs of one producing instance have been seen. A chain is *open* until its final pack, then *ended*;
 * what comes after that is an incident.
 */
export interface PackChain {
  readonly service: ServiceName;
  readonly instance: string;
  /** Of the newest pack seen. */
  readonly sequence: number;
  /** SHA-256 (hex) of that whole pack. */
  readonly hash: string;
  readonly ended: boolean;
  /** When JOURNAL stored it, milliseconds since the Unix epoch. */
  readonly storedAt: number;
}

/** A pack whose signature holds, at its place in JOURNAL. */
export interface SignedPack {
  readonly header: PackHeader;
  readonly hash: string;
  readonly journalSequence: number;
  readonly storedAt: number;
}

const NO_PREVIOUS = '0'.repeat(64);

/**
 * Whether a pack follows from its chain. It is never refused for that (its signature holds): what is wrong becomes an incident,
 * and the chain goes on from the newest pack, so that one gap is told once.
 * @param chain undefined for an instance never seen.
 * @returns the chain after it; `incident` undefined when it follows, or is the newest pack once more (a publisher's retry).
 */
export function followChain(
  chain: PackChain | undefined,
  pack: SignedPack,
): { chain: PackChain; incident: Incident | undefined } {
  const { header, hash, journalSequence, storedAt } = pack;
  const { producer: service, instance, sequence } = header;
  const expected = (chain?.sequence ?? 0) + 1;
  const wrong = (kind: IncidentKind): Incident => ({
    kind,
    service,
    instance,
    journalSequence,
    observed: sequence,
    expected,
  });
  if (chain !== undefined && sequence < expected) {
    if (sequence === chain.sequence && hash === chain.hash) return { chain, incident: undefined };
    return { chain, incident: wrong(sequence === chain.sequence ? 'fork' : 'replayed') };
  }
  const next: PackChain = { service, instance, sequence, hash, ended: header.final === true, storedAt };
  if (chain?.ended === true) return { chain: { ...next, ended: true }, incident: wrong('after-final') };
  if (sequence > expected) return { chain: next, incident: wrong('gap') };
  const follows = header.previous === (chain?.hash ?? NO_PREVIOUS);
  return { chain: next, incident: follows ? undefined : wrong('fork') };
}
