import { spawn } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { subjects } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { connectMesh } from '@keymesh/mesh';
import type { Form } from './canary.js';
import { viewProcess, type ProcessView } from './processes.js';
import type { RunningMesh } from './running-mesh.js';
import { newTraceId } from './trace-ids.js';

// What a leak would look like, made on purpose in places that no client can write: a search that misses it is void.

/** A log line with every form. */
export const plantLog = (mesh: RunningMesh, forms: readonly Form[]): Promise<void> =>
  appendFile(
    join(mesh.home, 'logs/vault.log'),
    `${forms.map(({ bytes }) => bytes.toString('latin1')).join(' ')}\n`,
    'latin1',
  );

/** A span of that name. */
export async function plantSpan(mesh: RunningMesh, name: string): Promise<void> {
  const times = { startTimeUnixNano: '1', endTimeUnixNano: '2' };
  const span = { traceId: newTraceId(), spanId: 'c0'.repeat(8), name, ...times };
  const reply = await fetch(`${mesh.httpUrl}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  });
  if (reply.status !== 200) throw new Error(`the launcher took no span: ${String(reply.status)}`);
}

/** A message in a stream, by the service that may write there. */
export async function plantAlert(mesh: RunningMesh, summary: string): Promise<void> {
  const seed = (await readFile(join(mesh.home, 'secrets/anomaly-detector/nats.seed'), 'utf8')).trim();
  const connection = await connectMesh({
    servers: mesh.natsUrl,
    nkeySeed: Secret.fromText(seed, 'nkey-seed'),
    principal: '_anomaly-detector',
  });
  const subject = subjects.alert('info', 'first-seen-consumer');
  await connection.nats.request(subject, JSON.stringify({ summary }), { timeout: 5_000 });
  await connection.close();
}

/** A process with the text among its arguments and in its environment. It is ended at once. */
export async function plantProcess(text: string): Promise<ProcessView> {
  const child = spawn('/bin/sleep', ['60'], { argv0: text, env: { CONTROL: text } });
  try {
    return await viewProcess('control', child.pid ?? 0);
  } finally {
    child.kill();
  }
}
