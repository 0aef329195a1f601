import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CONSUMERS,
  describeCredential,
  retrieveCredential,
  revealVersion,
  storeCredential,
  subjects,
} from '@keymesh/contracts';
import { consume, type Caller } from '@keymesh/mesh';
import type { RunningService } from '@keymesh/service-kit';
import { eventually, expectCode } from '@keymesh/testing';
import type { VaultConfig } from '../src/config.js';
import { makeReadUnledgeredAge } from '../src/transport/ledger-watch.js';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const LIMIT_SECONDS = 3;

describe('while records do not reach the ledger', () => {
  let world: VaultWorld;
  let writer: Caller;
  let reader: Caller;
  let vault: RunningService<VaultConfig>;
  const store = (name: string) =>
    writer.call(storeCredential, { name, type: 'api_key', values: { value: text(API_KEY) } });
  const retrieve = () => reader.call(retrieveCredential, { name: 'known' });
  /** What the vault sees of the audit service: somebody acknowledges the journal, as `ledger`. */
  // What one of them had pulled when it was stopped comes again to the next after the consumer's ack wait, half a minute: hence the patience.
  const startAudit = async () => {
    const connection = await world.mesh.connectAs('audit');
    return consume(connection, CONSUMERS.ledger, () => Promise.resolve());
  };
  const gauge = async (): Promise<number> =>
    Number(
      /^keymesh_vault_unledgered_seconds(?:\{.*\})? (\S+)$/m.exec(
        await vault.kit.metrics.registry.metrics(),
      )?.[1],
    );

  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    reader = await world.addClient('reader', ['reader']);
    vault = await world.startVault({}, { maxUnledgeredSeconds: LIMIT_SECONDS });
  }, 120_000);
  afterAll(() => world.stop(), 30_000);

  it('no value leaves, everything else goes on, and it resumes by itself', async () => {
    const audit = await startAudit();
    const { credentialId } = await store('known');
    expect(textOf((await eventually(retrieve)).values.value)).toBe(API_KEY);
    await audit.stop();

    const refused = {
      code: 'AUDIT_UNAVAILABLE',
      message: expect.stringContaining(`within ${String(LIMIT_SECONDS)} seconds`),
    };
    await eventually(() => expect(retrieve()).rejects.toMatchObject(refused), { timeoutMs: 15_000 });
    const rotation = await world.asRotation();
    const rotationId = crypto.randomUUID();
    await expectCode(
      rotation.call(revealVersion, { credentialId, rotationId, version: 1 }),
      'AUDIT_UNAVAILABLE',
    );
    await expectCode(reader.call(retrieveCredential, { name: 'absent' }), 'AUDIT_UNAVAILABLE');
    expect(await gauge()).toBeGreaterThan(LIMIT_SECONDS);
    expect((await vault.kit.health.report()).checks['ledger-lag']?.status).toBe('degraded');
    expect((await store('during')).version).toBe(1);
    await reader.call(describeCredential, { name: 'known' });
    await expect(retrieve()).rejects.toMatchObject(refused);

    const again = await startAudit();
    expect(textOf((await eventually(retrieve, { timeoutMs: 40_000 })).values.value)).toBe(API_KEY);
    expect(await gauge()).toBeLessThan(LIMIT_SECONDS);
    await again.stop();
  }, 120_000);

  it('an instance that starts then reveals nothing either, from its first answer on', async () => {
    await eventually(() => expectCode(retrieve(), 'AUDIT_UNAVAILABLE'), { timeoutMs: 15_000 });
    await world.stopVaults();
    vault = await world.startVault({}, { maxUnledgeredSeconds: LIMIT_SECONDS });
    await expectCode(retrieve(), 'AUDIT_UNAVAILABLE');
    const audit = await startAudit();
    await eventually(retrieve, { timeoutMs: 40_000 });
    await audit.stop();
  }, 120_000);

  it('is told of a pack as large as they get, though the answer is larger than a message may be', async () => {
    const vaultItself = await world.mesh.connectAs('vault');
    const read = makeReadUnledgeredAge(vaultItself);
    const audit = await startAudit();
    await eventually(async () => expect(await read()).toBe(0), { timeoutMs: 40_000 });
    await audit.stop();
    const { nats } = vaultItself;
    await nats.request(subjects.journal('vault'), new Uint8Array(900 * 1024), { timeout: 5_000 });
    await eventually(async () => expect(await read()).toBeGreaterThan(0));
  }, 120_000);
});
