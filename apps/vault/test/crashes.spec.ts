import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { retrieveCredential, storeCredential } from '@keymesh/contracts';
import { KeymeshError, systemClock } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import { makeRowSeal } from '../src/domain/row-mac.js';
import { openKms } from '../src/kms/index.js';
import { makeKeyring } from '../src/kms/keyring.js';
import { makeValueVault } from '../src/kms/value-vault.js';
import { makeKekStore } from '../src/store/kek-store.js';
import { openSystemKey } from '../src/store/system-keys.js';
import { verifyRows } from '../src/store/verify-rows.js';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const KILLS = process.env.SLOW === '1' ? 25 : 4;
const WRITERS = 4;
/** What a client may be told when the vault dies under its request: it does not know whether it was done. */
const UNKNOWN_OUTCOME = [
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CHANNEL_EXPIRED',
  'CHANNEL_REQUIRED',
  'STORE_UNAVAILABLE',
];

describe('kill -9 of the vault during stores', () => {
  let world: VaultWorld;
  let writer: Caller;
  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  it('loses no acknowledged write and leaves none half there', async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 100_000);
    const random = makeRandom(seed);
    const acknowledged = new Map<string, { version: number; value: string }>();
    const attempted = new Set<string>();
    let acknowledgements = 0;
    const trafficEnds = new AbortController();
    let vault: ServiceProcess = await world.startVaultProcess();

    const write = async (who: number): Promise<void> => {
      for (let at = 0; !trafficEnds.signal.aborted; at += 1) {
        const name = `w${String(who)}-${String(at % 7)}`;
        const value = `${API_KEY}-${String(who)}-${String(at)}`;
        attempted.add(`${name} ${value}`);
        try {
          const { version } = await writer.call(
            storeCredential,
            { name, type: 'api_key', values: { value: text(value) }, expectedVersion: 'any' },
            { deadlineMs: 1_000 },
          );
          acknowledged.set(name, { version, value });
          acknowledgements += 1;
        } catch (error) {
          if (!KeymeshError.is(error) || !UNKNOWN_OUTCOME.includes(error.code)) throw error;
        }
      }
    };
    const traffic = Promise.all(Array.from({ length: WRITERS }, (_, who) => write(who)));
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = acknowledgements;
      // Traffic flows again, then the kill comes at any moment.
      await eventually(() => expect(acknowledgements).toBeGreaterThan(before + WRITERS), {
        timeoutMs: 30_000,
      });
      await new Promise((resolve) => setTimeout(resolve, random() * 300));
      await vault.kill('SIGKILL');
      vault = await world.startVaultProcess();
    }
    trafficEnds.abort();
    await traffic;

    const context = `seed ${String(seed)}`;
    for (const [name, { version, value }] of acknowledged) {
      const reply = await writer.call(retrieveCredential, { name });
      // A write whose answer was lost may have come after; it is whole then, and one that was attempted.
      expect(reply.version).toBeGreaterThanOrEqual(version);
      const found = textOf(reply.values.value);
      if (reply.version === version) expect({ context, found }).toEqual({ context, found: value });
      else expect(attempted).toContain(`${name} ${found}`);
    }
    expect({ context, problems: await problems(world) }).toEqual({ context, problems: [] });
    await eventually(async () => expect(await unrecorded(world)).toEqual([]), { timeoutMs: 15_000 });
  }, 180_000);
});

/** mulberry32: a run is repeated by its seed (SEED=…). */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function problems(world: VaultWorld): Promise<unknown[]> {
  const { rows } = world;
  const masterKeyFile = world.environment().KEYMESH_KMS_MASTER_KEY_FILE ?? '';
  const kms = await openKms({ kind: 'local', masterKeyFile, passphrase: undefined });
  const seal = makeRowSeal(await openSystemKey(rows, kms, 'integrity'));
  const values = makeValueVault(makeKeyring({ kms, store: makeKekStore(rows), clock: systemClock }));
  return verifyRows({ dataSource: rows, seal, values });
}

/** Versions without exactly one audit record and one event, or whose record has not gone out. */
const unrecorded = ({ rows }: VaultWorld): Promise<unknown[]> =>
  rows.query(`
    WITH announced AS (
      SELECT kind, published_at, convert_from(payload, 'utf8')::jsonb AS content FROM outbox
    )
    SELECT v.credential_id, v.version FROM credential_version v
    WHERE (SELECT count(*) FROM announced WHERE kind = 'journal' AND published_at IS NOT NULL AND content->>'type' = 'credential.stored'
             AND content->'resource'->>'id' = v.credential_id::text AND (content->'resource'->>'version')::int = v.version) <> 1
       OR (SELECT count(*) FROM announced WHERE kind = 'event' AND published_at IS NOT NULL
             AND content->>'credentialId' = v.credential_id::text AND (content->>'version')::int = v.version) <> 1`);
