import type { KeyObject } from 'node:crypto';
import { SERVICES, subjects, type Beside, type ServiceName } from '@keymesh/contracts';
import { decodePack, verifyPack, type Delivery, type Pack } from '@keymesh/mesh';
import { hashLeaf } from '@keymesh/transparency-log';
import type { Incident, IncidentKind } from './incident.js';
import { readLeaf, type LeafFacts } from './leaf.js';
import { followChain, type PackChain } from './pack-chain.js';

/** A record on its way into the ledger, in JOURNAL order. */
export interface JournaledLeaf {
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly beside: Beside | undefined;
  readonly facts: LeafFacts;
  readonly service: ServiceName;
  readonly journalSequence: number;
}

/** What a run of journal messages brings. */
export interface Assessment {
  readonly leaves: readonly JournaledLeaf[];
  /** Chains that moved, in their newest state. */
  readonly chains: readonly PackChain[];
  readonly incidents: readonly Incident[];
}

export interface AssessOptions {
  /** Chain of an instance, as the ledger last committed it. */
  readonly chainOf: (key: string) => PackChain | undefined;
  /** Keys that sign the packs of a service. */
  readonly keysOf: (service: ServiceName) => readonly KeyObject[];
}

export const chainKey = ({ service, instance }: Pick<PackChain, 'service' | 'instance'>): string =>
  `${service}/${instance}`;

// It becomes a row's key; Postgres takes no NUL in a text.
const INSTANCE = /^[\x20-\x7e]{1,128}$/;

const serviceBySubject = new Map<string, ServiceName>(
  SERVICES.map((service) => [subjects.journal(service), service]),
);

/**
 * Checks journal messages, in order: form, producer, signature, chain, each leaf. Pure but for the given look-ups.
 * INVARIANT: of a pack whose signature does not hold nothing is taken; of one whose signature holds everything that is a leaf is
 * taken, whatever else is wrong with it.
 */
export function assessPacks(deliveries: readonly Delivery[], options: AssessOptions): Assessment {
  const leaves: JournaledLeaf[] = [];
  const chains = new Map<string, PackChain>();
  const incidents: Incident[] = [];
  for (const delivery of deliveries) {
    const service = serviceBySubject.get(delivery.subject);
    if (service === undefined) continue; // no subject of ours: the stream takes none
    const opened = openPack(delivery, service, options.keysOf(service));
    if ('incident' in opened) {
      incidents.push(opened.incident);
      continue;
    }
    const { pack } = opened;
    const key = chainKey({ service, instance: pack.header.instance });
    const place = { journalSequence: delivery.streamSequence, storedAt: delivery.storedAt };
    const followed = followChain(chains.get(key) ?? options.chainOf(key), { ...pack, ...place });
    chains.set(key, followed.chain);
    if (followed.incident !== undefined) incidents.push(followed.incident);
    takeLeaves(pack, service, delivery.streamSequence, leaves, incidents);
  }
  return { leaves, chains: [...chains.values()], incidents };
}

function openPack(
  delivery: Delivery,
  service: ServiceName,
  keys: readonly KeyObject[],
): { pack: Pack } | { incident: Incident } {
  const incident = (kind: IncidentKind): { incident: Incident } => ({
    incident: {
      kind,
      service,
      instance: '',
      journalSequence: delivery.streamSequence,
      observed: 0,
      expected: 0,
    },
  });
  const pack = readPack(delivery.data);
  if (pack === undefined || !INSTANCE.test(pack.header.instance)) return incident('malformed-pack');
  const isProducers = pack.header.producer === service && keys.some((key) => verifyPack(delivery.data, key));
  return isProducers ? { pack } : incident('bad-signature');
}

function readPack(bytes: Uint8Array): Pack | undefined {
  try {
    return decodePack(bytes);
  } catch {
    return undefined;
  }
}

function takeLeaves(
  pack: Pack,
  service: ServiceName,
  journalSequence: number,
  leaves: JournaledLeaf[],
  incidents: Incident[],
): void {
  const { instance } = pack.header;
  let malformed = 0;
  for (const { leaf, beside } of pack.records) {
    const facts = readLeaf(leaf, service);
    if (facts === undefined) malformed += 1;
    else leaves.push({ leaf, leafHash: hashLeaf(leaf), beside, facts, service, journalSequence });
  }
  if (malformed > 0)
    incidents.push({
      kind: 'malformed-leaf',
      service,
      instance,
      journalSequence,
      observed: malformed,
      expected: 0,
    });
}
