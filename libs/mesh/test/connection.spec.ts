import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, expectCode, startTestMesh, type TestMesh } from '@keymesh/testing';
import { systemClock } from '@keymesh/kernel';
import { makeCaller, type MeshConnection } from '../src/index.js';
import { echoSecret, serveVault } from './rpc-fixture.js';

let mesh: TestMesh;
let sys: MeshConnection;

beforeAll(async () => {
  mesh = await startTestMesh({ streams: false });
  sys = await mesh.connectAs('sys');
});
afterAll(() => mesh.stop());

interface Connz {
  readonly server: { readonly id: string };
  readonly data: { readonly connections: readonly { readonly cid: number; readonly name?: string }[] };
}

/** As policy does it: finds the principal's connections and closes them. */
async function kick(name: string): Promise<void> {
  const reply = await sys.nats.request('$SYS.REQ.SERVER.PING.CONNZ', JSON.stringify({ auth: true }), {
    timeout: 2_000,
  });
  const { server, data } = reply.json<Connz>();
  const found = data.connections.filter((connection) => connection.name === name);
  expect(found.length).toBeGreaterThan(0);
  for (const { cid } of found) {
    await sys.nats.request(`$SYS.REQ.SERVER.${server.id}.KICK`, JSON.stringify({ cid }), { timeout: 2_000 });
  }
}

describe('a connection', () => {
  it('of a principal that was taken away is cut, stays out, and comes back by itself once it may', async () => {
    const billing = mesh.addPrincipal('billing');
    const connection = await mesh.connectAs(billing);
    let reconnects = 0;
    connection.onReconnect(() => (reconnects += 1));
    mesh.removePrincipal('billing');
    await kick('billing');
    await eventually(() => expect(connection.isConnected()).toBe(false));
    expect(await connection.waitConnected(1_500)).toBe(false);
    expect(connection.nats.isClosed()).toBe(false);
    mesh.restorePrincipal(billing);
    expect(await connection.waitConnected(10_000)).toBe(true);
    expect(reconnects).toBe(1);
  });

  it('lets calls wait for a server that restarts, and does not wait for answers that went down with it', async () => {
    const channel = await mesh.makeServiceChannel('vault');
    const vault = await serveVault(mesh, {
      channel,
      handler: async ({ text }) => {
        if (text === 'slow') await new Promise((resolve) => setTimeout(resolve, 300));
        return { text };
      },
    });
    const patient = mesh.addPrincipal('patient');
    const connection = await mesh.connectAs(patient);
    const caller = makeCaller({
      connection,
      principal: 'patient',
      signingKey: patient.signingKey,
      meshPublicKey: mesh.trustRoot.meshPublicKey,
      clock: systemClock,
    });
    await caller.call(echoSecret, { text: 'before' });
    const startedAt = performance.now();
    const lost = expectCode(caller.call(echoSecret, { text: 'slow' }, { deadlineMs: 30_000 }), 'UNAVAILABLE');
    await connection.nats.flush();
    await mesh.server.kill();
    await eventually(() => expect(connection.isConnected()).toBe(false));
    await expectCode(caller.call(echoSecret, { text: 'hasty' }, { deadlineMs: 50 }), 'UNAVAILABLE');
    const waiting = caller.call(echoSecret, { text: 'during' }, { deadlineMs: 20_000 });
    await mesh.server.restart();
    // The vault may come back a moment after the asker, and then nobody answers.
    const retry = () => eventually(() => caller.call(echoSecret, { text: 'during' }), { timeoutMs: 10_000 });
    expect((await waiting.catch(retry)).text).toBe('during');
    await lost;
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await vault.stop();
  });

  it('closes with the server away, at once and more than once', async () => {
    const connection = await mesh.connectAs(mesh.addPrincipal('leaver'));
    await mesh.server.kill();
    await eventually(() => expect(connection.isConnected()).toBe(false));
    await connection.close();
    await connection.close();
    expect(await connection.waitConnected(100)).toBe(false);
    await mesh.server.restart();
  });
});
