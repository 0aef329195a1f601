import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { getCheckpoint, listFindings, retrieveCredential } from '@keymesh/contracts';
import { eventually, expectCode } from '@keymesh/testing';
import { readLog, traceIdOf } from './support/audit-log.js';
import { connectDeploy, type Deploy } from './support/deploy.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';
import { inTrace, newTraceId } from './support/trace-ids.js';
import { codeOf, connectWire, plainRequest, type WireClient } from './support/wire.js';

// Promise 1 of DESIGN.md: while the journal refuses, no value leaves the vault by any way, though everything else lives.
const NAME = 'journal/held-back';
const value = `Jr1-${randomBytes(24).toString('base64url')}`;
let mesh: RunningMesh;
let operator: Keymesh;
let reader: Keymesh;
let plain: WireClient;
let deploy: Deploy;
let maxBytes: number;

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  reader = await connect({ profile: await enrolAs(mesh, first, 'journal-reader', ['reader']) });
  plain = await connectWire(await enrolAs(mesh, first, 'journal-plain', ['reader', 'plain-reply']));
  deploy = await connectDeploy(mesh);
  await operator.credentials.store({ name: NAME, type: 'api_key', value });
  await operator.credentials.store({
    name: 'journal/rotated',
    type: 'api_key',
    generate: {},
    rotation: { adapter: 'generated', intervalSeconds: 0 },
  });
  // Known and cached, so that nothing but the journal stands between the value and the client.
  for (const client of [operator, reader]) (await client.credentials.retrieve(NAME)).dispose();
}, 150_000);
afterAll(async () => {
  await Promise.all([operator, reader, plain, deploy].map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
}, 60_000);

describe('while JOURNAL refuses writes', () => {
  const refusedTraces: string[] = [];

  beforeAll(async () => {
    const { config, bytes } = await deploy.stream('JOURNAL');
    maxBytes = config.max_bytes;
    expect(config.discard).toBe('new');
    await deploy.update('JOURNAL', { max_bytes: bytes });
  });

  it('no value goes out, however it is asked for', async () => {
    for (const client of [operator, reader]) {
      const traceId = newTraceId();
      refusedTraces.push(traceId);
      await expectCode(
        inTrace(traceId, () => client.credentials.retrieve(NAME)),
        'AUDIT_UNAVAILABLE',
      );
      await expectCode(client.credentials.retrieve(NAME, { version: 1 }), 'AUDIT_UNAVAILABLE');
    }
    const request = plainRequest(retrieveCredential, 'journal-plain', { name: NAME });
    const reply = await plain.ask(request);
    expect(codeOf(plain.read(request, reply))).toBe('AUDIT_UNAVAILABLE');
    expect(Buffer.from(reply.data).includes(value)).toBe(false);
  });

  it('the command line says so with exit code 5, and writes not one byte of the value', async () => {
    const result = await mesh.cli(['retrieve', NAME]);
    expect(result.code).toBe(5);
    expect(result.stdout).toHaveLength(0);
    expect(result.stderr).toMatch(/^AUDIT_UNAVAILABLE: /);
    expect(result.stderr).not.toContain(value);
  });

  it('what tells of credentials waits for its record too', async () => {
    await expectCode(operator.credentials.list(), 'AUDIT_UNAVAILABLE');
    await expectCode(operator.credentials.describe(NAME), 'AUDIT_UNAVAILABLE');
    await expectCode(operator.credentials.history(NAME), 'AUDIT_UNAVAILABLE');
    await expectCode(reader.credentials.retrieve('journal/none'), 'AUDIT_UNAVAILABLE');
    await expectCode(operator.call(listFindings, {}), 'AUDIT_UNAVAILABLE');
  });

  it('the log itself can be read, above all now', async () => {
    expect((await operator.call(getCheckpoint, {})).checkpoint).not.toBe('');
    expect((await readLog(operator)).some(({ type }) => type === 'credential.stored')).toBe(true);
  });

  it('writes go on: their records wait beside the rows, in the same transaction', async () => {
    await operator.credentials.store({ name: 'journal/meanwhile', type: 'api_key', generate: {} });
    // A rotation begins with a look at the credential, which is recorded: it does not begin, and strands nobody half way.
    await expectCode(operator.credentials.rotate('journal/rotated'), 'AUDIT_UNAVAILABLE');
    expect((await deploy.stream('JOURNAL')).bytes).toBeLessThanOrEqual(
      (await deploy.stream('JOURNAL')).config.max_bytes,
    );
  }, 40_000);

  it('and once it takes writes again all is well by itself: values, records, proof', async () => {
    await deploy.update('JOURNAL', { max_bytes: maxBytes });
    const traceId = newTraceId();
    await eventually(
      async () => {
        const credential = await inTrace(traceId, () => reader.credentials.retrieve(NAME));
        expect(credential.text()).toBe(value);
        credential.dispose();
      },
      { timeoutMs: 20_000 },
    );
    await eventually(
      async () => {
        const log = await readLog(operator);
        const released = log.filter(
          ({ type, outcome }) => type === 'credential.retrieved' && outcome === 'success',
        );
        expect(released.map(traceIdOf)).toContain(traceId);
        for (const refused of refusedTraces) expect(released.map(traceIdOf)).not.toContain(refused);
        expect(log.filter(({ type }) => type === 'credential.stored')).toHaveLength(3);
        expect(log.filter(({ type }) => type === 'version.prepared')).toEqual([]);
      },
      { timeoutMs: 30_000 },
    );
    await eventually(async () => expect(await mesh.cli(['audit', 'verify'])).toMatchObject({ code: 0 }), {
      timeoutMs: 20_000,
    });
  }, 80_000);
});
