import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EVENTS,
  subjects,
  type AuditRecord,
  type LeaseRevoked,
  type VersionPromoted,
} from '@keymesh/contracts';
import type { SigningKey } from '@keymesh/kernel';
import { publishEvent, type MeshConnection } from '@keymesh/mesh';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import { startRotationMesh, type RotationMesh } from './support/rotation-mesh.js';

let on: RotationMesh;
let service: ServiceProcess;
let audit: MeshConnection;
let vault: MeshConnection;
const pushes = new Map<string, { credentialId: string; version: number }[]>();

beforeAll(async () => {
  on = await startRotationMesh();
  service = await on.start();
  audit = await on.mesh.connectAs('audit');
  vault = await on.mesh.connectAs('vault');
  for (const principal of [on.reader, on.writer, on.outsider]) {
    const heard: { credentialId: string; version: number }[] = [];
    pushes.set(principal.name, heard);
    const { nats } = await on.mesh.connectAs(principal);
    nats.subscribe(subjects.push(principal.name, 'credential', 'rotated'), {
      callback: (_error, msg) => void heard.push(msg.json()),
    });
    await nats.flush();
  }
}, 90_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

let index = 0;

/** What the audit service publishes of a read. */
async function publishRead(
  read: { principal: string; session?: string; credentialId: string; version: number },
  signedBy: SigningKey = on.mesh.identities.audit.signingKey,
): Promise<string> {
  const record: AuditRecord = {
    v: 1,
    id: randomUUID(),
    time: new Date().toISOString(),
    type: 'credential.retrieved',
    service: 'vault',
    instance: 'spec',
    outcome: 'success',
    principal: read.principal,
    ...(read.session === undefined ? {} : { session: read.session }),
    resource: { kind: 'credential', id: read.credentialId, version: read.version },
  };
  const event = {
    class_uid: 6003,
    time: Date.parse(record.time),
    metadata: { uid: record.id, sequence: index++, event_code: record.type },
    raw_data: JSON.stringify(record),
  };
  const subject = subjects.audit('vault', 'credential', 'retrieved');
  await publishEvent(audit, subject, record.id, Buffer.from(JSON.stringify(event)), { signingKey: signedBy });
  return record.id;
}

async function publishPromoted(
  fields: Pick<VersionPromoted, 'credentialId' | 'version'>,
  eventId: string = randomUUID(),
  signedBy: SigningKey = on.mesh.identities.vault.signingKey,
): Promise<void> {
  const event: VersionPromoted = {
    eventId,
    occurredAt: new Date().toISOString(),
    revision: 1,
    owner: 'writer',
    namespace: 'default',
    type: 'generic',
    provider: null,
    tags: [],
    ...fields,
  };
  const bytes = Buffer.from(JSON.stringify(event));
  // A message id of its own, so that the stream takes the same event twice.
  await publishEvent(vault, EVENTS.versionPromoted.subject, randomUUID(), bytes, { signingKey: signedBy });
}

const holdersOf = (credentialId: string) =>
  on.sql<{ principal: string; session: string; version: number }>(
    'SELECT principal, session, version FROM holder WHERE credential_id = $1 ORDER BY principal, session',
    [credentialId],
  );
const heardBy = (principal: string, credentialId: string) =>
  (pushes.get(principal) ?? []).filter((push) => push.credentialId === credentialId);

describe('holders', () => {
  it('of a lease are told that it was revoked, each once', async () => {
    const heard: string[] = [];
    const { nats } = await on.mesh.connectAs(on.reader);
    nats.subscribe(subjects.push('reader', 'lease', 'revoked'), {
      callback: (_error, msg) => void heard.push(msg.json<{ leaseId: string }>().leaseId),
    });
    await nats.flush();
    const publishRevoked = (eventId: string, leaseId: string): Promise<void> => {
      const event: LeaseRevoked = {
        eventId,
        occurredAt: new Date().toISOString(),
        leaseId,
        principal: 'reader',
        credentialId: randomUUID(),
      };
      const bytes = Buffer.from(JSON.stringify(event));
      const signingKey = on.mesh.identities.vault.signingKey;
      return publishEvent(vault, EVENTS.leaseRevoked.subject, randomUUID(), bytes, { signingKey });
    };
    const [eventId, first, second] = [randomUUID(), randomUUID(), randomUUID()];
    await publishRevoked(eventId, first);
    await publishRevoked(eventId, first);
    await publishRevoked(randomUUID(), second);
    await eventually(() => expect(heard).toContain(second));
    expect(heard).toEqual([first, second]);
  });

  it('are told of a new version, each once, and only if they may read it now', async () => {
    const credentialId = randomUUID();
    await publishRead({ principal: 'reader', session: 'r1', credentialId, version: 1 });
    await publishRead({ principal: 'reader', session: 'r2', credentialId, version: 1 });
    await publishRead({ principal: 'outsider', session: 'o1', credentialId, version: 1 });
    await eventually(async () => expect(await holdersOf(credentialId)).toHaveLength(3));
    const eventId = randomUUID();
    await publishPromoted({ credentialId, version: 2 }, eventId);
    await eventually(() => expect(heardBy('reader', credentialId)).toHaveLength(1));
    expect(heardBy('reader', credentialId)).toEqual([{ credentialId, version: 2, revision: 1 }]);

    // The same event again, and one more to know that it was handled.
    await publishPromoted({ credentialId, version: 2 }, eventId);
    const other = randomUUID();
    await publishRead({ principal: 'reader', session: 'r1', credentialId: other, version: 1 });
    await eventually(async () => expect(await holdersOf(other)).toHaveLength(1));
    await publishPromoted({ credentialId: other, version: 2 });
    await eventually(() => expect(heardBy('reader', other)).toHaveLength(1));
    expect(heardBy('reader', credentialId)).toHaveLength(1);
    expect(heardBy('outsider', credentialId)).toEqual([]);
    expect(heardBy('writer', credentialId)).toEqual([]);
  });

  it('confirm a version for the session that read it, and for no other', async () => {
    const credentialId = randomUUID();
    await publishRead({ principal: 'reader', session: 'r1', credentialId, version: 1 });
    await publishRead({ principal: 'reader', session: 'r2', credentialId, version: 1 });
    await publishRead({ principal: 'reader', session: 'r1', credentialId, version: 2 });
    await publishRead({ principal: 'reader', session: 'r1', credentialId, version: 1 });
    await publishRead({ principal: 'writer', credentialId, version: 2 });
    await eventually(async () => expect(await holdersOf(credentialId)).toHaveLength(3));
    expect(await holdersOf(credentialId)).toEqual([
      { principal: 'reader', session: 'r1', version: 2 },
      { principal: 'reader', session: 'r2', version: 1 },
      { principal: 'writer', session: '', version: 2 },
    ]);
  });

  // Guarantee: whoever owns the broker can neither make readers nor versions.
  it('are not made by messages that the audit service did not sign, nor told by ones that the vault did not', async () => {
    const credentialId = randomUUID();
    const forged = randomUUID();
    const wrongKey = on.mesh.identities.rotation.signingKey;
    await publishRead({ principal: 'reader', session: 'f', credentialId: forged, version: 1 }, wrongKey);
    await publishRead({ principal: 'reader', session: 'r1', credentialId, version: 1 });
    await eventually(async () => expect(await holdersOf(credentialId)).toHaveLength(1));
    expect(await holdersOf(forged)).toEqual([]);
    await publishPromoted({ credentialId, version: 3 }, randomUUID(), wrongKey);
    await publishPromoted({ credentialId, version: 2 });
    await eventually(() => expect(heardBy('reader', credentialId)).toHaveLength(1));
    expect(heardBy('reader', credentialId)[0]?.version).toBe(2);
  });

  it('are forgotten with their credential', async () => {
    const credentialId = randomUUID();
    await publishRead({ principal: 'reader', session: 'r1', credentialId, version: 1 });
    await eventually(async () => expect(await holdersOf(credentialId)).toHaveLength(1));
    const event = { eventId: randomUUID(), occurredAt: new Date().toISOString(), credentialId, revision: 2 };
    await publishEvent(
      vault,
      EVENTS.credentialDeleted.subject,
      event.eventId,
      Buffer.from(JSON.stringify(event)),
      { signingKey: on.mesh.identities.vault.signingKey },
    );
    await eventually(async () => expect(await holdersOf(credentialId)).toEqual([]));
  });
});
