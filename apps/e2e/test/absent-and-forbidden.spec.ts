import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Profile } from '@keymesh/client';
import {
  activateCredential,
  batchRetrieveCredentials,
  credentialHistory,
  deactivateCredential,
  deleteCredential,
  describeCredential,
  destroyVersion,
  issueLease,
  retrieveCredential,
  updateCredential,
  type RpcContract,
} from '@keymesh/contracts';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { connectWire, type WireClient } from './support/wire.js';

// Who may not know of a credential is told the same as if there were none: the same bytes but for the ids of the request and of its trace. That it takes the
// same time is measured by the bench (`hiding`), which fails when it does not.
const THERE = `hidden/${randomUUID()}`;
const NOT_THERE = `hidden/${randomUUID()}`;

let mesh: RunningMesh;
let stranger: WireClient;
let auditor: WireClient;

beforeAll(async () => {
  mesh = await startMesh({ env: { KEYMESH_DETECTOR_BURST_DENIALS: '1000' } });
  const operator = await connectOperator(mesh);
  await operator.keymesh.credentials.store({
    name: THERE,
    type: 'api_key',
    values: { value: `key-${randomUUID()}-Zq` },
  });
  // It gives nothing until its holder opens it.
  const profile: Profile = await enrolAs(mesh, operator, 'stranger', ['break-glass']);
  stranger = await connectWire(profile);
  auditor = await connectWire(await enrolAs(mesh, operator, 'auditor', ['auditor']));
  await operator.keymesh.close();
}, 240_000);
afterAll(async () => {
  await stranger.close();
  await auditor.close();
  await mesh[Symbol.asyncDispose]();
}, 60_000);

const UUID = /^[0-9a-f-]{36}$/;
const OPERATIONS: readonly (readonly [RpcContract, (name: string) => unknown])[] = [
  [retrieveCredential, (name) => ({ name })],
  [retrieveCredential, (name) => ({ name, version: 1 })],
  [describeCredential, (name) => ({ name })],
  [credentialHistory, (name) => ({ name })],
  [updateCredential, (name) => ({ name, label: 'x' })],
  [deleteCredential, (name) => ({ name })],
  [deactivateCredential, (name) => ({ name })],
  [activateCredential, (name) => ({ name })],
  [destroyVersion, (name) => ({ name, version: 1 })],
  [issueLease, (name) => ({ name })],
  [batchRetrieveCredentials, (name) => ({ items: [{ name }] })],
];

/** Everything of an answer that the asker sees, but for what names the request. */
async function answerTo(contract: RpcContract, request: unknown, asker = stranger) {
  const asked = asker.seal(contract, request);
  const reply = await asker.ask(asked);
  const { channel, message } = asker.read(asked, reply);
  const headers = Object.fromEntries(
    (reply.headers?.keys() ?? []).map((name) => [
      name,
      name === 'Keymesh-Channel-Reply' ? '' : reply.headers?.get(name),
    ]),
  );
  const text = JSON.stringify(message, (key, value: unknown) =>
    key === 'traceId' && typeof value === 'string' ? 'x'.repeat(value.length) : value,
  );
  return { channel, headers, sizeBytes: reply.data.length, text };
}

describe('a credential that the asker may not know of, and one that there is not', () => {
  it.each(OPERATIONS.map(([contract, request]) => [contract.name, contract, request] as const))(
    '%s answers both alike',
    async (_name, contract, request) => {
      expect(THERE.length).toBe(NOT_THERE.length);
      expect(THERE.split('/')[1]).toMatch(UUID);
      const forbidden = await answerTo(contract, request(THERE));
      const absent = await answerTo(contract, request(NOT_THERE));
      expect(forbidden).toEqual(absent);
      expect(forbidden.channel).toBe(true);
      // Something was refused, so that two answers to questions that are not understood do not pass for it.
      expect(forbidden.text).toMatch(/NOT_FOUND|DENIED/);
    },
    30_000,
  );

  it('are told apart to who may describe it: the comparison sees a difference', async () => {
    const forbidden = await answerTo(retrieveCredential, { name: THERE }, auditor);
    const absent = await answerTo(retrieveCredential, { name: NOT_THERE }, auditor);
    expect(forbidden.text).toContain('"DENIED"');
    expect(absent.text).toContain('"CREDENTIAL_NOT_FOUND"');
    expect(forbidden).not.toEqual(absent);
  });
});
