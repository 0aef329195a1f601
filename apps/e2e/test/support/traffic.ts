import { createHash, randomBytes } from 'node:crypto';
import type { Keymesh, RetrievedCredential } from '@keymesh/client';
import type { ErrorCode } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { KnownCredential, Oracle } from './oracle.js';
import type { Random } from './seed.js';
import { inTrace, newTraceId } from './trace-ids.js';

/** What may be answered while parts of the mesh are dying. Anything else, a denial above all, is a fault. */
const EXPECTED: readonly ErrorCode[] = [
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'STORE_UNAVAILABLE',
  'AUDIT_UNAVAILABLE',
  'ROTATION_IN_PROGRESS',
  'ROTATION_FAILED',
];
const DEADLINE_MS = 3_000;
const ROTATE_DEADLINE_MS = 8_000;
const PAUSE_MS = 25;

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Takes the digest of a retrieved value and wipes it. */
export function digestAndWipe(credential: RetrievedCredential): string {
  // EXPOSE: only its digest is kept.
  const digest = digestOf(credential.value.expose());
  credential.dispose();
  return digest;
}

export interface TrafficOptions {
  readonly oracle: Oracle;
  readonly clients: readonly Keymesh[];
  readonly random: Random;
}

export interface Traffic {
  /** Attempts by operation and outcome, for the summary. */
  readonly counts: Readonly<Record<string, number>>;
  /** No new requests; resolves when the last is answered. */
  stop(): Promise<void>;
}

/** Every client stores, versions, rotates and reads, each one thing after another, and writes down what it is told. */
export function startTraffic({ oracle, clients, random }: TrafficOptions): Traffic {
  const counts: Record<string, number> = {};
  let stopped = false;
  const work = async (client: Keymesh): Promise<void> => {
    const worker = makeWorker(oracle, client, random);
    while (!stopped) {
      const { operation, outcome } = await worker();
      const key = `${operation} ${outcome}`;
      counts[key] = (counts[key] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, random.below(2 * PAUSE_MS)));
    }
  };
  const working = clients.map(work);
  return {
    counts,
    stop: async () => {
      stopped = true;
      await Promise.all(working);
    },
  };
}

type Operation = 'store' | 'version' | 'rotate' | 'retrieve';
const MIX: readonly Operation[] = [
  ...Array<Operation>(3).fill('store'),
  ...Array<Operation>(3).fill('version'),
  ...Array<Operation>(5).fill('rotate'),
  ...Array<Operation>(7).fill('retrieve'),
];

function makeWorker(oracle: Oracle, client: Keymesh, random: Random) {
  const own: KnownCredential[] = [];
  let stores = 0;
  const { credentials } = client;

  const store = async (isGenerated = stores % 4 === 0): Promise<void> => {
    stores += 1;
    const credential = oracle.add(`${client.principal}/c${String(stores)}`, isGenerated);
    const value = newValue();
    const acknowledge = oracle.attempt(credential, isGenerated ? undefined : digestOf(value));
    const name = { name: credential.name, type: 'api_key' };
    const ack = await credentials.store(
      isGenerated
        ? { ...name, generate: {}, rotation: { adapter: 'generated', intervalSeconds: 0 } }
        : { ...name, value },
      { deadlineMs: DEADLINE_MS },
    );
    acknowledge(ack);
    own.push(credential);
  };
  const version = async (): Promise<void> => {
    const given = own.filter(({ isGenerated }) => !isGenerated);
    if (given.length === 0) return store(false);
    const credential = random.pick(given);
    const value = newValue();
    const acknowledge = oracle.attempt(credential, digestOf(value));
    acknowledge(
      await credentials.store(
        { name: credential.name, type: 'api_key', value, expectedVersion: 'any' },
        { deadlineMs: DEADLINE_MS },
      ),
    );
  };
  const rotate = async (): Promise<void> => {
    const generated = own.filter(({ isGenerated }) => isGenerated);
    if (generated.length === 0) return store(true);
    const credential = random.pick(generated);
    const acknowledge = oracle.attempt(credential);
    const { state, version: number } = await credentials.rotate(credential.name, {
      deadlineMs: ROTATE_DEADLINE_MS,
    });
    // Half the deadline has passed and it is still running: no acknowledgement.
    if (state === 'done' && number !== null) acknowledge({ version: number, revision: 0 });
  };
  const retrieve = async (): Promise<void> => {
    const known = oracle.credentials.filter(({ version: acknowledged }) => acknowledged > 0);
    if (known.length === 0) return store();
    const credential = random.pick(known);
    const { revision } = credential;
    const traceId = newTraceId();
    const reply = await inTrace(traceId, () =>
      credentials.retrieve(credential.name, { deadlineMs: DEADLINE_MS }),
    );
    oracle.revealed(
      credential,
      { revision },
      {
        traceId,
        principal: client.principal,
        credentialId: reply.credentialId,
        version: reply.version,
        revision: reply.revision,
        stale: reply.stale,
        digest: digestAndWipe(reply),
      },
    );
  };
  const operations: Record<Operation, () => Promise<void>> = {
    store: () => store(),
    version,
    rotate,
    retrieve,
  };

  return async (): Promise<{ operation: Operation; outcome: string }> => {
    const operation = random.pick(MIX);
    try {
      await operations[operation]();
      return { operation, outcome: 'done' };
    } catch (error) {
      const code = KeymeshError.is(error) ? error.code : String(error);
      if (!(EXPECTED as readonly string[]).includes(code))
        oracle.violated(`${client.principal} ${operation}: ${code}`);
      return { operation, outcome: code };
    }
  };
}

const newValue = (): Uint8Array => Buffer.from(`Ck1-${randomBytes(24).toString('base64url')}`);
