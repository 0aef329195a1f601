import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, readProfile, type Keymesh, type Profile } from '@keymesh/client';
import { enrolReader } from './enrol.js';

/** What the echo and every stored value weigh. */
export const PAYLOAD_BYTES = 256;
const AT_ONCE = 32;
/** Items of one batch. */
export const BATCH = 100;
const FIRST_ATTEMPTS = 50;
const PLAIN_PRINCIPALS = 10;

/** Who asks, and what there is to ask for. */
export interface Fleet {
  readonly operator: Keymesh;
  readonly readers: readonly Keymesh[];
  /** Principals that may ask without the channel. */
  readonly plainProfiles: readonly Profile[];
  readonly nameOf: (index: number) => string;
  /** Api keys that can be rotated. */
  readonly rotatingNameOf: (index: number) => string;
  close(): Promise<void>;
}

export interface FleetSize {
  readonly credentials: number;
  readonly rotating: number;
  readonly principals: number;
}

/** Stores credentials of {@link PAYLOAD_BYTES} each and enrols readers, each with its own connection and open session. */
export async function makeFleet(home: string, size: FleetSize): Promise<Fleet> {
  const profile = await readProfile(home, 'operator');
  const operator = await connect({ profile });
  const nameOf = (index: number): string => `bench/credential-${String(index % size.credentials)}`;
  const rotatingNameOf = (index: number): string => `bench/rotating-${String(index % size.rotating)}`;
  await forEachIndex(size.credentials, (index) => store(operator, nameOf(index)));
  await forEachIndex(size.rotating, async (index) => {
    const rotation = { adapter: 'generated', intervalSeconds: 0 } as const;
    await operator.credentials.store({
      name: rotatingNameOf(index),
      type: 'api_key',
      generate: {},
      rotation,
    });
  });
  const readers: Keymesh[] = [];
  for (let index = 0; index < size.principals; index += 1) {
    const reader = await connect({ profile: await enrolReader(operator, profile, `bench-${String(index)}`) });
    readers.push(reader);
  }
  const plainProfiles: Profile[] = [];
  for (let index = 0; index < Math.min(PLAIN_PRINCIPALS, size.principals); index += 1)
    plainProfiles.push(
      await enrolReader(operator, profile, `bench-plain-${String(index)}`, ['reader', 'plain-reply']),
    );
  await Promise.all(readers.map((reader, index) => firstRetrieve(reader, nameOf(index))));
  const close = async (): Promise<void> => {
    for (const client of [operator, ...readers]) await client.close();
  };
  return { operator, readers, plainProfiles, nameOf, rotatingNameOf, close };
}

/** Opens the session, asymmetric work that the rounds must not count. The vault learns of a principal a moment after its enrolment. */
async function firstRetrieve(reader: Keymesh, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      (await reader.credentials.retrieve(name)).dispose();
      return;
    } catch (error) {
      if (attempt === FIRST_ATTEMPTS) throw error;
      await wait(100);
    }
  }
}

/** Stores `versions` versions of each of so many more credentials, a hundred in one request. */
export async function growFleet(
  { operator }: Fleet,
  credentials: number,
  versions: number,
  onProgress: (stored: number) => void,
): Promise<void> {
  for (let version = 1; version <= versions; version += 1) {
    for (let first = 0; first < credentials; first += BATCH) {
      const count = Math.min(BATCH, credentials - first);
      await storeBatch(
        operator,
        Array.from({ length: count }, (_, index) => grownNameOf(first + index)),
      );
    }
    onProgress(version * credentials);
  }
}

/** Stores a credential of each name, or its next version, in one request. @throws when one of them was not stored */
export async function storeBatch(operator: Keymesh, names: readonly string[]): Promise<void> {
  let left = names;
  while (left.length > 0) {
    const results = await operator.credentials.batchStore(left.map(requestOf));
    const failed = results.flatMap((result, at) =>
      result.outcome === 'failed' ? [{ code: result.error.code, name: left[at] ?? '' }] : [],
    );
    // More than its rate limit a principal is not given, in batches either.
    const refused = failed.find(({ code }) => code !== 'RATE_LIMITED');
    if (refused !== undefined) throw new Error(`a batch was not stored: ${refused.code}`);
    left = failed.map(({ name }) => name);
    if (left.length > 0) await wait(200);
  }
}

/** Names of what {@link growFleet} stores. */
export const grownNameOf = (index: number): string => `bench/grown-${String(index)}`;

/** Stores a credential, or its next version. */
export async function store(operator: Keymesh, name: string): Promise<void> {
  await operator.credentials.store(requestOf(name), { deadlineMs: 30_000 });
}

const requestOf = (name: string) =>
  ({ name, type: 'generic', value: randomBytes(PAYLOAD_BYTES), expectedVersion: 'any' }) as const;

async function forEachIndex(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
