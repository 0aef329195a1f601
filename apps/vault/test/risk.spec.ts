import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CONSUMERS,
  retrieveCredential,
  storeCredential,
  subjects,
  type AuditRecord,
} from '@keymesh/contracts';
import { fromUtf8, systemClock } from '@keymesh/kernel';
import { consume, decodePack, encodeRiskScores, type Caller, type MeshConnection } from '@keymesh/mesh';
import { eventually } from '@keymesh/testing';
import { API_KEY, text } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

// A real vault hears the detector over a real NATS server; the score stands in the request that is decided, and so in its record.
let world: VaultWorld;
let reader: Caller;
let detector: MeshConnection;
let following: { stop(): Promise<void> };
const recorded: AuditRecord[] = [];

beforeAll(async () => {
  world = await startVaultWorld();
  const writer = await world.addClient('writer', ['writer']);
  reader = await world.addClient('reader', ['reader']);
  await world.startVault();
  detector = await world.mesh.connectAs('anomaly-detector');
  following = consume(await world.mesh.connectAs('audit'), CONSUMERS.ledger, (delivery) => {
    for (const { leaf } of decodePack(delivery.data).records)
      recorded.push(JSON.parse(fromUtf8(leaf)) as AuditRecord);
    return Promise.resolve();
  });
  await writer.call(storeCredential, { name: 'key', type: 'api_key', values: { value: text(API_KEY) } });
}, 120_000);
afterAll(async () => {
  await following.stop();
  await world.stop();
}, 30_000);

/** The context of the newest record of a retrieve, after one more. */
async function contextOfRetrieve(): Promise<Readonly<Record<string, unknown>>> {
  const of = () => recorded.filter(({ type }) => type === 'credential.retrieved');
  const before = of().length;
  await reader.call(retrieveCredential, { name: 'key' });
  await eventually(() => expect(of()).toHaveLength(before + 1));
  return of().at(-1)?.decision?.request.context ?? {};
}
const tell = async (scores: Record<string, number>): Promise<void> => {
  const { meshId } = world.mesh.trustRoot;
  const told = { v: 1 as const, meshId, at: new Date(systemClock.now()).toISOString(), scores };
  const key = world.mesh.identities['anomaly-detector'].signingKey;
  detector.nats.publish(subjects.riskScored, encodeRiskScores(told, key));
  await detector.nats.flush();
};

describe('context.risk', () => {
  it('is absent until the detector has spoken, then its score, and 0 for who has none', async () => {
    expect(await contextOfRetrieve()).not.toHaveProperty('risk');
    await tell({ reader: 64 });
    await eventually(async () => expect(await contextOfRetrieve()).toMatchObject({ risk: 64 }));
    await tell({ other: 9 });
    await eventually(async () => expect(await contextOfRetrieve()).toMatchObject({ risk: 0 }));
  }, 60_000);

  it('cannot be told by a client: the broker refuses the subject', async () => {
    const principal = await world.addPrincipal('liar', ['reader']);
    const liar = await world.mesh.connectAs(principal);
    const refused = (async () => {
      for await (const status of liar.nats.status()) if (status.type === 'error') return status.error.message;
      return '';
    })();
    liar.nats.publish(subjects.riskScored, 'x');
    expect(await refused).toMatch(/permissions violation/i);
  }, 30_000);
});
