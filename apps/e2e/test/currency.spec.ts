import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh, type Profile } from '@keymesh/client';
import { disablePrincipal, setPrincipalRoles, subjects, type Role } from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import { eventually } from '@keymesh/testing';
import fc from 'fast-check';
import { startBrokerProxy, type BrokerProxy } from './support/broker-proxy.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { startSecondVault, vaultEnvironment } from './support/second-vault.js';
import { runSeed } from './support/seed.js';
import { startFaultyWire, type FaultyWire } from './support/wire-fault.js';

// Three instances of the vault. The second lags: its answers from Postgres are slow, or the broker keeps from it what the others say. The third is cut off: from
// Postgres, from NATS, or held up. Whatever happens: once something that takes away has been answered, no instance reveals, also not while and
// after the third comes back; and nobody who saw a revision gets older data, but for what says itself that it may be old.
const INSTANCES = ['vault', 'vault-2', 'vault-3'] as const;
const ASKERS = 18;
const ASK = { deadlineMs: 1_500 };
const SYNC = subjects.invalidate('vault');

let mesh: RunningMesh;
let operator: { readonly profile: Profile; readonly keymesh: Keymesh };
let reader: Keymesh;
let broker: BrokerProxy;
let wires: Readonly<Record<'lagging' | 'database' | 'bus', FaultyWire>>;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  mesh = await startMesh({
    env: { KEYMESH_RATE_LIMIT_PER_SECOND: '100000', KEYMESH_RATE_LIMIT_BURST: '100000' },
  });
  const { KEYMESH_DATABASE_URL: databaseUrl = '' } = await vaultEnvironment(mesh);
  const databasePort = Number(new URL(databaseUrl).port);
  wires = {
    lagging: await startFaultyWire(databasePort),
    database: await startFaultyWire(databasePort),
    bus: await startFaultyWire(Number(new URL(mesh.natsUrl).port)),
  };
  broker = await startBrokerProxy(mesh.natsUrl);
  const through = (url: string, { port }: FaultyWire): string => Object.assign(new URL(url), { port }).href;
  const starting = startSecondVault(mesh, {
    KEYMESH_INSTANCE: 'vault-2',
    KEYMESH_NATS_URL: broker.url,
    KEYMESH_DATABASE_URL: through(databaseUrl, wires.lagging),
  });
  const partitioned = await startSecondVault(mesh, {
    KEYMESH_INSTANCE: 'vault-3',
    KEYMESH_NATS_URL: through(mesh.natsUrl, wires.bus),
    KEYMESH_DATABASE_URL: through(databaseUrl, wires.database),
  });
  const lagging = await starting;
  stops.push(
    () => lagging.stop(),
    () => partitioned.stop(),
  );
  operator = await connectOperator(mesh);
  reader = await connect({ profile: await enrolAs(mesh, operator, 'currency-reader', ['reader']) });
  await store('currency/known');
  await everybodyServes();
}, 400_000);
afterEach(heal);
afterAll(async () => {
  heal();
  for (const client of [reader, operator.keymesh]) await client.close();
  for (const stop of stops) await stop();
  await broker.close();
  for (const wire of Object.values(wires)) await wire.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

function heal(): void {
  broker.meddle(undefined);
  for (const wire of Object.values(wires)) wire.heal();
}

const FAULTS = {
  'with all well': () => undefined,
  'the second’s Postgres slow': () => wires.lagging.slow(250),
  'the second neither heard nor hearing': () =>
    broker.meddle((message, deliver) => {
      if (message.subject !== SYNC) deliver(message);
    }),
  'the third without Postgres': () => wires.database.cut(),
  'the third’s Postgres held up': () => wires.database.stall(),
  'the third without NATS': () => wires.bus.cut(),
  'the third’s NATS held up': () => wires.bus.stall(),
} as const satisfies Record<string, () => void>;
type Fault = keyof typeof FAULTS;
const faults = Object.keys(FAULTS) as Fault[];

/** Retries what an instance without Postgres refused; a repeat that finds it done is an answer as well. */
async function answered(work: () => Promise<unknown>): Promise<void> {
  await eventually(
    () =>
      work().catch((error: unknown) => {
        const { code = '' } = error as { code?: string };
        if (!['VERSION_DESTROYED', 'CREDENTIAL_NOT_FOUND', 'CREDENTIAL_NOT_DELETED'].includes(code))
          throw error;
      }),
    { timeoutMs: 30_000 },
  );
}
const store = (name: string): Promise<void> =>
  answered(() =>
    operator.keymesh.credentials.store(
      { name, type: 'generic', value: Buffer.from(randomUUID()), expectedVersion: 'any' },
      ASK,
    ),
  );

/** What the reader has seen of each credential; older data must say that it may be old. */
const seen = new Map<string, number>();
const older: string[] = [];
let staleAnswers = 0;

/** @returns how many of those who asked at once were given the value. */
async function reveals(client: Keymesh, name: string, version?: number): Promise<number> {
  const before = seen.get(name) ?? 0;
  const asked = Array.from({ length: ASKERS }, async () => {
    const select = version === undefined ? {} : { version };
    using found = await client.credentials.retrieve(name, { ...select, ...ASK });
    if (found.stale) staleAnswers += 1;
    else if (found.revision < before)
      older.push(`${name}: ${String(found.revision)} after ${String(before)}`);
    seen.set(name, Math.max(seen.get(name) ?? 0, found.stale ? 0 : found.revision));
  });
  const settled = await Promise.allSettled(asked);
  return settled.filter(({ status }) => status === 'fulfilled').length;
}

async function served(instance: string): Promise<number> {
  const ready = await readFile(join(mesh.home, `run/${instance}.ready.json`), 'utf8');
  const { httpPort } = JSON.parse(ready) as { httpPort: number };
  const text = await (await fetch(`http://127.0.0.1:${String(httpPort)}/metrics`)).text();
  const counts = [...text.matchAll(/^keymesh_operations_total\{.*retrieveCredential.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
/** All is well again: each instance answers, and nothing is stale. */
async function everybodyServes(): Promise<void> {
  const before = await Promise.all(INSTANCES.map(served));
  await eventually(
    async () => {
      const stale = staleAnswers;
      expect(await reveals(reader, 'currency/known')).toBe(ASKERS);
      expect(staleAnswers).toBe(stale);
      const now = await Promise.all(INSTANCES.map(served));
      now.forEach((count, at) => expect(count).toBeGreaterThan(before[at] ?? 0));
    },
    { timeoutMs: 60_000 },
  );
}

const said = (principal: string) => ({
  ...{ v: 1 as const, meshId: operator.profile.meshId, statementId: randomUUID() },
  ...{ issuedAt: new Date().toISOString(), issuer: operator.profile.principal, principal },
});
async function setRoles(principal: string, before: readonly Role[], roles: readonly Role[]): Promise<void> {
  using seed = new Secret(fromBase64Url(operator.profile.channelSeed)!, 'channel-seed');
  const statement = {
    ...said(principal),
    type: 'principal.roles-set' as const,
    before: [...before],
    roles: [...roles],
  };
  await operator.keymesh.call(setPrincipalRoles, { statement: signStatement(statement, signingKeyOf(seed)) });
}

/** Something that takes away, and how many are given the value when they ask for it. */
interface Taking {
  /** Resolves when it is answered. */
  readonly take: () => Promise<unknown>;
  readonly ask: () => Promise<number>;
}

/** A client of its own, which is given the value now. */
async function makeReader(who: string, name: string): Promise<Keymesh> {
  const client = await connect({ profile: await enrolAs(mesh, operator, who, ['reader']) });
  stops.unshift(() => client.close());
  await eventually(async () => expect(await reveals(client, name)).toBe(ASKERS), { timeoutMs: 30_000 });
  return client;
}

const TAKINGS: Readonly<Record<string, (name: string) => Promise<Taking>>> = {
  deactivate: (name) =>
    Promise.resolve({
      take: () => answered(() => operator.keymesh.credentials.deactivate(name, ASK)),
      ask: () => reveals(reader, name),
    }),
  delete: (name) =>
    Promise.resolve({
      take: () => answered(() => operator.keymesh.credentials.delete(name, ASK)),
      ask: () => reveals(reader, name),
    }),
  async 'destroy a version'(name) {
    await store(name);
    expect(await reveals(reader, name, 1)).toBe(ASKERS);
    return {
      take: () => answered(() => operator.keymesh.credentials.destroyVersion(name, 1, ASK)),
      ask: () => reveals(reader, name, 1),
    };
  },
  async 'take a role'(name) {
    const who = `role-${randomUUID().slice(0, 8)}`;
    const client = await makeReader(who, name);
    return { take: () => setRoles(who, ['reader'], ['auditor']), ask: () => reveals(client, name) };
  },
  async 'disable the reader'(name) {
    const who = `off-${randomUUID().slice(0, 8)}`;
    const client = await makeReader(who, name);
    return {
      take: () => operator.keymesh.call(disablePrincipal, { principal: who, reason: 'spec' }),
      ask: () => reveals(client, name),
    };
  },
};
const takings = Object.keys(TAKINGS);

/** Longer than what an instance knew before can count. */
const COMING_BACK_MS = 1_200;

/** Asks until all is well again, each instance has answered, and a while has passed. @returns how many were given the value. */
async function whileComingBack(ask: Taking['ask']): Promise<number> {
  const until = performance.now() + COMING_BACK_MS;
  const state = { isOver: false };
  const end = (): void => void (state.isOver = true);
  const well = everybodyServes();
  well.then(end, end);
  let given = 0;
  while (!state.isOver || performance.now() < until) given += await ask();
  await well;
  return given + (await ask());
}
/** Into the next fault while they come back. */
async function forAWhile(ask: Taking['ask']): Promise<number> {
  const until = performance.now() + 2_500;
  let given = 0;
  while (performance.now() < until) given += await ask();
  return given;
}

/** What was taken away, to ask for it again at the end. */
const taken: Taking['ask'][] = [];

/** Stores, takes away under a fault, asks; heals, and goes on asking while the instances come back. */
async function takeAway(fault: Fault, taking: string, comingBack = whileComingBack): Promise<number> {
  const name = `currency/${randomUUID()}`;
  await store(name);
  expect(await reveals(reader, name)).toBe(ASKERS); // every instance has it in memory
  const { take, ask } = await TAKINGS[taking]!(name);
  FAULTS[fault]();
  await reveals(reader, 'currency/known'); // whoever is cut off has noticed
  await take();
  taken.push(ask);
  const given = await ask();
  heal();
  return given + (await comingBack(ask));
}

describe('once it is answered, no instance reveals', () => {
  it.each(faults.flatMap((fault) => takings.map((taking) => [taking, fault] as const)))(
    '%s, %s',
    async (taking, fault) => {
      expect(await takeAway(fault, taking)).toBe(0);
    },
    120_000,
  );

  it('and the instance without Postgres did serve what it knew meanwhile: what it held back, it held back on purpose', async () => {
    wires.database.cut();
    const before = staleAnswers;
    await eventually(async () => {
      await reveals(reader, 'currency/known');
      expect(staleAnswers).toBeGreaterThan(before);
    });
    heal();
    await everybodyServes();
  }, 60_000);

  it('in any history of writes, faults and takings', async () => {
    const seed = runSeed('currency');
    const step = fc.record({
      fault: fc.constantFrom(...faults),
      taking: fc.constantFrom(...takings),
      writes: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 5 }), async (steps) => {
        for (const { fault, taking, writes } of steps) {
          for (let write = 0; write < writes; write += 1) {
            await store('currency/written');
            await reveals(reader, 'currency/written');
          }
          expect({ fault, taking, given: await takeAway(fault, taking, forAWhile) }).toMatchObject({
            given: 0,
          });
        }
        await everybodyServes();
      }),
      { seed, numRuns: process.env.SLOW === '1' ? 20 : 2, endOnFailure: true },
    );
  }, 900_000);
});

it('nothing that was taken away comes back later', async () => {
  expect(taken.length).toBeGreaterThan(0);
  for (let at = 0; at < taken.length; at += takings.length) {
    const asked = taken.slice(at, at + takings.length).map((ask) => ask());
    expect(await Promise.all(asked)).toEqual(asked.map(() => 0));
  }
}, 120_000);

describe('a reader that has seen a revision', () => {
  it('was never given an older one, but for answers that said they may be old', () => {
    expect(seen.size).toBeGreaterThan(takings.length);
    expect(older).toEqual([]);
  });
});
