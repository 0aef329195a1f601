import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { listRotations, ROTATION_STATES } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { eventually } from '@keymesh/testing';
import { readLog, traceIdOf } from './support/audit-log.js';
import { fsckLedger, fsckVault } from './support/fsck.js';
import { killPart, PARTS, recovered, type Part } from './support/kill.js';
import { makeOracle, type FinalState, type KnownCredential } from './support/oracle.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { makeRandom, runSeed } from './support/seed.js';
import { digestAndWipe, startTraffic } from './support/traffic.js';

// Promises 1, 4 and 8 of DESIGN.md: whatever dies, and whenever, no acknowledged write is lost, nothing is half there, no value went
// out without its record, and everything comes back by itself.
const KILLS = 56;
const WRITERS = ['chaos-one', 'chaos-two', 'chaos-three'];
const seed = runSeed('chaos');
const random = makeRandom(seed);
const oracle = makeOracle();

let mesh: RunningMesh;
let operator: Keymesh;
let clients: Keymesh[] = [];

beforeAll(async () => {
  // A killed instance keeps its rotations from the next one for this long; the default is a minute.
  mesh = await startMesh({ env: { KEYMESH_ROTATION_LEASE_SECONDS: '5' } });
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  const profiles = [];
  for (const name of WRITERS) profiles.push(await enrolAs(mesh, first, name, ['writer']));
  clients = [operator, ...(await Promise.all(profiles.map((profile) => connect({ profile }))))];
}, 150_000);
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills until there have been enough: one to four parts at about the same time, mostly waiting until all is well again. */
async function kill(): Promise<Record<string, number>> {
  const killed: Record<string, number> = {};
  let total = 0;
  let deck: Part[] = [];
  while (total < KILLS) {
    const dead: number[] = [];
    for (let left = 1 + random.below(4); left > 0; left -= 1) {
      if (deck.length === 0) deck = random.shuffled(PARTS);
      const part = deck.pop();
      const pid = part === undefined ? undefined : await killPart(mesh, part);
      if (part === undefined || pid === undefined) continue;
      dead.push(pid);
      total += 1;
      killed[part] = (killed[part] ?? 0) + 1;
      await pause(random.below(250));
    }
    // Now and then the next ones die while these are still coming back.
    const waits = random.below(4) > 0;
    if (waits) await recovered(mesh, dead);
    await pause(waits ? 200 + random.below(800) : random.below(400));
  }
  return killed;
}

/** What the mesh says of a credential now, to the operator. */
async function finalState({ name }: KnownCredential): Promise<FinalState | undefined> {
  try {
    const { versions } = await operator.credentials.history(name);
    const open: { version: number; digest: string }[] = [];
    for (const { version, stage } of versions) {
      if (stage !== 'current' && stage !== 'previous') continue;
      const credential = await operator.credentials.retrieve(name, { version });
      open.push({ version, digest: digestAndWipe(credential) });
    }
    return { versions, open };
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'CREDENTIAL_NOT_FOUND') return undefined;
    throw error;
  }
}

it(`survives ${KILLS} kills -9 under traffic`, async () => {
  const traffic = startTraffic({ oracle, clients, random: makeRandom(seed + 1) });
  const killed = await kill().finally(() => traffic.stop());
  process.stderr.write(`killed ${JSON.stringify(killed)}; asked ${JSON.stringify(traffic.counts)}\n`);
  expect(Object.keys(killed).sort()).toEqual([...PARTS].sort());
  await recovered(mesh);
  // The run is void unless there was something to lose in every kind of request.
  const least = { 'store done': 10, 'version done': 10, 'retrieve done': 50, 'rotate done': 2 };
  for (const [what, count] of Object.entries(least))
    expect(traffic.counts[what]).toBeGreaterThanOrEqual(count);
}, 420_000);

it('ends every rotation that was under way', async () => {
  const ended: readonly (typeof ROTATION_STATES)[number][] = ['done', 'failed'];
  await eventually(
    async () => {
      const { rotations } = await operator.call(listRotations, { limit: 200 });
      expect(rotations.filter(({ state }) => !ended.includes(state))).toEqual([]);
    },
    { timeoutMs: 90_000 },
  );
}, 100_000);

it('kept every acknowledged write, and nothing by halves', async () => {
  for (const credential of oracle.credentials) oracle.check(credential, await finalState(credential));
  const listed = new Set((await operator.credentials.list()).map(({ name }) => name));
  for (const { name, digests, version } of oracle.credentials)
    expect([name, listed.has(name)]).toEqual([name, version > 0 || digests.size > 0]);
  expect(oracle.violations).toEqual([]);
}, 60_000);

it('recorded every value that a client got', async () => {
  await eventually(
    async () => {
      const released = new Set(
        (await readLog(operator))
          .filter(({ type, outcome }) => type === 'credential.retrieved' && outcome === 'success')
          .map(
            (record) =>
              `${record.principal} ${record.resource?.id} v${record.resource?.version} ${traceIdOf(record)}`,
          ),
      );
      const unrecorded = oracle.reveals.filter(
        ({ principal, credentialId, version, traceId }) =>
          !released.has(`${principal} ${credentialId} v${version} ${traceId}`),
      );
      expect(unrecorded).toEqual([]);
    },
    { timeoutMs: 30_000 },
  );
}, 60_000);

it('left a log that verifies, a ledger and rows without a fault', async () => {
  await eventually(
    async () => expect(await mesh.cli(['audit', 'verify', '--json'])).toMatchObject({ code: 0 }),
    { timeoutMs: 20_000 },
  );
  expect(await fsckLedger(mesh)).toMatchObject({ code: 0 });
  expect(await fsckVault(mesh)).toMatchObject({ code: 0 });
}, 60_000);
