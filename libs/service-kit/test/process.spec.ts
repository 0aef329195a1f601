import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { listRotations } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import { makeCaller, type Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { context, trace } from '@opentelemetry/api';
import { startService, type RunningService } from '../src/index.js';
import { CANARY } from './fixtures/rotation-service.js';
import { vaultFixture } from './fixtures/vault-service.js';
import { startKitMesh, type KitMesh } from './support/kit-mesh.js';
import { startProgram, type Program } from './support/start-program.js';

let kitMesh: KitMesh;
let vault: RunningService;
let readyFile: string;
const programs: Program[] = [];

const start = (more: Record<string, string> = {}): Program => {
  const program = startProgram('rotation-main.ts', {
    ...kitMesh.environmentOf('rotation'),
    KEYMESH_LOG_LEVEL: 'trace',
    KEYMESH_READY_FILE: readyFile,
    KEYMESH_EXIT_WITH_STDIN: 'true',
    ...more,
  });
  programs.push(program);
  return program;
};
const isReady = (program: Program) =>
  eventually(
    () => {
      if (!existsSync(readyFile)) throw new Error(`not ready: ${program.text()}`);
      return JSON.parse(readFileSync(readyFile, 'utf8')) as { pid: number; httpPort: number };
    },
    { timeoutMs: 20_000 },
  );

async function connectApp(): Promise<Caller> {
  const { mesh, app } = kitMesh;
  return makeCaller({
    connection: await mesh.connectAs(app),
    principal: app.name,
    signingKey: app.signingKey,
    meshPublicKey: mesh.trustRoot.meshPublicKey,
    clock: systemClock,
  });
}

/** Takes whatever is posted to it, as an OTLP collector does. */
async function startCollector(): Promise<{ url: string; text: () => string; stop: () => Promise<void> }> {
  const chunks: Buffer[] = [];
  const server = createServer((request, reply) => {
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => reply.setHeader('content-type', 'application/json').end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => Buffer.concat(chunks).toString('utf8'),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

beforeAll(async () => {
  kitMesh = await startKitMesh();
  readyFile = join(kitMesh.folder, 'rotation.ready');
  await kitMesh.publishBundle(1);
  vault = await startService(vaultFixture(() => kitMesh.configOf('vault'), kitMesh.mesh.meshKey));
  await vault.ready;
}, 60_000);
afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.kill('SIGKILL');
    await program.exit;
  }
});
afterAll(async () => {
  await vault.stop();
  await kitMesh.stop();
}, 30_000);

describe('a service as a process', () => {
  it('tells where it is once it is ready, and goes when standard input closes', async () => {
    const program = start();
    const ready = await isReady(program);
    expect(ready.pid).toBe(program.pid);
    expect(statSync(readyFile).mode & 0o777).toBe(0o600);
    expect((await fetch(`http://127.0.0.1:${ready.httpPort}/health/ready`)).status).toBe(200);
    program.closeInput();
    expect(await program.exit).toBe(0);
    expect(existsSync(readyFile)).toBe(false);
  }, 40_000);

  it('stops in good order on SIGTERM', async () => {
    const program = start({ KEYMESH_EXIT_WITH_STDIN: 'false' });
    await isReady(program);
    program.closeInput();
    program.kill('SIGTERM');
    expect(await program.exit).toBe(0);
    expect(program.text()).toContain('"reason":"SIGTERM"');
    expect(program.text()).not.toContain('stopping failed');
  }, 40_000);

  it('sends its spans to a collector before it goes, without any text of errors', async () => {
    const collector = await startCollector();
    const program = start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    await isReady(program);
    const caller = await connectApp();
    // An asker whose trace is recorded; the spec's own process records nothing.
    const sampled = trace.wrapSpanContext({
      traceId: 'ab'.repeat(16),
      spanId: '2'.repeat(16),
      traceFlags: 1,
    });
    await context.with(trace.setSpan(context.active(), sampled), async () => {
      await caller.call(listRotations, {});
      await expectCode(caller.call(listRotations, { name: 'foreign' }), 'INTERNAL');
    });
    caller.close();
    program.kill('SIGTERM');
    expect(await program.exit).toBe(0);
    await collector.stop();
    expect(collector.text()).toContain('keymesh-rotation');
    expect(collector.text()).toContain('listRotations');
    expect(collector.text()).toContain('ab'.repeat(16));
    expect(collector.text()).not.toContain(CANARY);
  }, 40_000);

  it('stops while it still waits for its servers', async () => {
    const program = start({ KEYMESH_NATS_URL: 'nats://127.0.0.1:1' });
    await eventually(() => expect(program.text()).toContain('not available yet'), { timeoutMs: 20_000 });
    program.closeInput();
    expect(await program.exit).toBe(0);
  }, 40_000);

  it('says so when its HTTP port is taken', async () => {
    const program = start({ KEYMESH_HTTP_PORT: String(vault.httpPort) });
    expect(await program.exit).toBe(1);
    expect(program.text()).toContain('"code":"PORT_IN_USE"');
  }, 40_000);

  it('names every wrong variable and its rule, no value, and ends with 2', async () => {
    const program = start({
      KEYMESH_HTTP_PORT: CANARY,
      KEYMESH_DATABASE_URL: `postgres://u:${CANARY}@h/d`,
      KEYMESH_NATS_URL: '',
    });
    expect(await program.exit).toBe(2);
    const text = program.text();
    for (const name of ['KEYMESH_HTTP_PORT', 'KEYMESH_DATABASE_URL', 'KEYMESH_NATS_URL'])
      expect(text).toContain(name);
    expect(text).not.toContain(CANARY);
  }, 40_000);

  it('ends with 1 on an error that nobody caught, and logs no text of it; logs hold no secret at all', async () => {
    const program = start();
    await isReady(program);
    const caller = await connectApp();
    await expectCode(caller.call(listRotations, { name: 'foreign' }), 'INTERNAL');
    await caller.call(listRotations, { name: 'uncaught' }).catch(() => undefined);
    caller.close();
    expect(await program.exit).toBe(1);
    const text = program.text();
    expect(text).toContain('"kind":"exception"');
    expect(text).toContain('operation failed'); // the control: what happened is there
    const env = kitMesh.environmentOf('rotation');
    const secrets = [
      'KEYMESH_NATS_SEED_FILE',
      'KEYMESH_SIGNING_SEED_FILE',
      'KEYMESH_STATE_KEY_FILE',
      'KEYMESH_DATABASE_PASSWORD_FILE',
    ].map((name) => readFileSync(env[name] ?? '', 'utf8').trim());
    for (const secret of [CANARY, ...secrets]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
      expect(text).not.toContain(Buffer.from(secret).toString('hex'));
    }
  }, 40_000);
});
