import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  attestBundle,
  CONSUMERS,
  retrieveCredential,
  storeCredential,
  type AuditRecord,
} from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import { consume, decodePack, getPolicyBundle, type Caller } from '@keymesh/mesh';
import { bundleDigestOf, NOT_ATTESTED, readBundle, signAttestation } from '@keymesh/policy-engine';
import { eventually, expectCode, serveFake, serves } from '@keymesh/testing';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const WAIT = { timeoutMs: 30_000 };

describe('a vault whose bundle nobody vouches for', () => {
  let world: VaultWorld;
  let writer: Caller;
  const recorded: AuditRecord[] = [];
  let following: { stop(): Promise<void> };
  let policy: { stop(): Promise<void> } | undefined;
  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    following = consume(await world.mesh.connectAs('audit'), CONSUMERS.ledger, (delivery) => {
      for (const { leaf } of decodePack(delivery.data).records)
        recorded.push(JSON.parse(fromUtf8(leaf)) as AuditRecord);
      return Promise.resolve();
    });
    await world.startVault();
    await eventually(
      () =>
        writer.call(storeCredential, {
          name: 'key',
          type: 'api_key',
          values: { value: text(API_KEY) },
          expectedVersion: 'any',
        }),
      WAIT,
    );
  }, 120_000);
  afterAll(async () => {
    await policy?.stop();
    await following.stop();
    await world.stop();
  }, 30_000);

  const retrieve = () => writer.call(retrieveCredential, { name: 'key' });
  const attestedAt = async (): Promise<number> =>
    (
      await world.rows.query<{ attested_at: Date }[]>('SELECT attested_at FROM bundle_floor')
    )[0]!.attested_at.getTime();

  /** What the policy service says; it is away where a spec does not call this. */
  const vouch = () =>
    serveFake(world.mesh, 'policy', [
      serves(attestBundle, async ({ nonce }) => {
        const { bytes } = (await getPolicyBundle(await world.mesh.connectAs('policy')))!;
        const { version } = readBundle(bytes, world.mesh.trustRoot);
        const { meshId } = world.mesh.trustRoot;
        const at = new Date().toISOString();
        const said = { v: 1 as const, meshId, version, bundleDigest: bundleDigestOf(bytes), nonce, at };
        return { attestation: signAttestation(said, world.mesh.bundleKey) };
      }),
    ]);

  it('goes on for the day that began with the first bundle, which no restart begins anew', async () => {
    expect(textOf((await retrieve()).values.value)).toBe(API_KEY);
    const began = await attestedAt();
    await world.stopVaults();
    await world.startVault();
    await eventually(retrieve, WAIT);
    expect(await attestedAt()).toBe(began);
  }, 60_000);

  it('permits nothing after that day, also when it was restarted, and says so in the record; then by itself again', async () => {
    await world.stopVaults();
    await world.rows.query(`UPDATE bundle_floor SET attested_at = now() - interval '25 hours'`);
    const vault = await world.startVault();
    await eventually(() => expectCode(retrieve(), 'CREDENTIAL_NOT_FOUND'), WAIT);
    await eventually(() => {
      const denied = recorded.filter(
        ({ outcome, decision }) => outcome === 'denied' && decision !== undefined,
      );
      expect(denied.at(-1)?.decision).toMatchObject({
        effect: 'forbid',
        determiningPolicies: [],
        errors: [NOT_ATTESTED],
      });
    }, WAIT);
    // Degraded and not down: what makes it well again may be waiting for it to be ready.
    expect((await vault.kit.health.report()).checks.policy?.status).toBe('degraded');

    policy = await vouch();
    await eventually(retrieve, WAIT);
    await eventually(async () => expect(Date.now() - (await attestedAt())).toBeLessThan(30_000), WAIT);
    // It was asked for from the start on and came within a minute: nothing to alarm about.
    expect(recorded.filter(({ type }) => type.startsWith('policy-bundle.'))).toEqual([]);
    expect((await vault.kit.health.report()).checks.policy?.status).toBe('ok');
  }, 90_000);

  it('does not believe a time in the future', async () => {
    await policy?.stop();
    policy = undefined;
    await world.stopVaults();
    await world.rows.query(`UPDATE bundle_floor SET attested_at = now() + interval '1 hour'`);
    await world.startVault();
    await eventually(() => expectCode(retrieve(), 'CREDENTIAL_NOT_FOUND'), WAIT);
    policy = await vouch();
    await eventually(retrieve, WAIT);
    await eventually(async () => expect(await attestedAt()).toBeLessThanOrEqual(Date.now()), WAIT);
  }, 60_000);
});
