import { randomBytes } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import { connect as connectNats } from '@nats-io/transport-node';
import { BATCH, PAYLOAD_BYTES, store, storeBatch, type Fleet } from './fleet.js';
import { makePlainRetrieve } from './plain-retrieve.js';
import type { Target } from './rounds.js';

export const BARE_ECHO = 'bare echo';
export const NEST_ECHO = 'Nest echo, one span';
export const RETRIEVE = 'retrieve';

/** What is measured on the small fleet, the echoes first. */
export async function makeTargets(
  bareUrl: string,
  fleet: Fleet,
  plainProfiles: readonly Profile[],
): Promise<Target[]> {
  return [
    ...(await makeEchoes(bareUrl, fleet.readers.length)),
    retrieveTarget(fleet),
    await makePlainRetrieve(fleet, plainProfiles),
    storeTarget(fleet),
    rotateTarget(fleet),
  ];
}

/** As many connections as readers have: from a single one, a hundred requests would arrive in one read and leave in one write. */
async function makeEchoes(bareUrl: string, connections: number): Promise<Target[]> {
  const clients = await Promise.all(
    Array.from({ length: connections }, () => connectNats({ servers: bareUrl })),
  );
  const payload = randomBytes(PAYLOAD_BYTES);
  const echo = (name: string, subject: string): Target => ({
    name,
    ask: async (worker) => {
      await clients[worker % clients.length]?.request(subject, payload, { timeout: 5_000 });
    },
  });
  return [echo(BARE_ECHO, 'bench.bare'), echo(NEST_ECHO, 'bench.nest')];
}

/** Through the channel, with its record durable before the value leaves. @param nameOf of the small fleet, unless told. */
export const retrieveTarget = (fleet: Fleet, nameOf: (index: number) => string = fleet.nameOf): Target => ({
  name: RETRIEVE,
  ask: async (worker, turn) => {
    const reader = fleet.readers[worker % fleet.readers.length] ?? fleet.operator;
    (await reader.credentials.retrieve(nameOf(turn * 7 + worker))).dispose();
  },
});

const storeTarget = ({ operator }: Fleet): Target => ({
  name: 'store',
  ask: (worker, turn) =>
    store(operator, `bench/new-${String(worker)}-${String(turn)}-${randomBytes(4).toString('hex')}`),
});

const rotateTarget = ({ operator, rotatingNameOf }: Fleet): Target => ({
  name: 'rotate',
  ask: async (worker, turn) => {
    await operator.credentials.rotate(rotatingNameOf(turn * 101 + worker));
  },
});

/** Many at once, in one request. */
export const batchTargets = ({ operator, nameOf }: Fleet): readonly Target[] => {
  const names = Array.from({ length: BATCH }, (_, index) => nameOf(index));
  // Others than those that are read: a new version has to be fetched by its first reader.
  const stored = names.map((name) => `${name}-of-batch`);
  return [
    { name: `store ${String(BATCH)} in one request`, ask: () => storeBatch(operator, stored) },
    {
      name: `retrieve ${String(BATCH)} in one request`,
      ask: async () => {
        for (const result of await operator.credentials.batchRetrieve(names)) {
          if ('error' in result) throw result.error;
          result.credential.dispose();
        }
      },
    },
  ];
};

/** Page after page until the end. */
export const listTarget = ({ operator }: Fleet): Target => ({
  name: 'list all',
  ask: async () => {
    await operator.credentials.list({ namespace: 'bench', pageSize: 1_000 }, { deadlineMs: 30_000 });
  },
});
