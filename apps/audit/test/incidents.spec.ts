import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anomalyFinding, HEADERS, subjects, type AnomalyFinding } from '@keymesh/contracts';
import { makeSigningKey } from '@keymesh/kernel';
import { encodePack } from '@keymesh/mesh';
import { eventually, type ServiceProcess } from '@keymesh/testing';
import { makeProducer, makeRecord, makeRecords, type TestProducer } from './records.js';
import { startAuditMesh, type AuditMesh } from './support/audit-mesh.js';

let on: AuditMesh;
let service: ServiceProcess;
const alerts: { subject: string; finding: AnomalyFinding }[] = [];

beforeAll(async () => {
  on = await startAuditMesh();
  const { nats } = await on.mesh.connectAs(on.mesh.addPrincipal('listener', ['siem']));
  nats.subscribe(subjects.alertAll, {
    callback: (_error, msg) =>
      void alerts.push({ subject: msg.subject, finding: anomalyFinding.parse(msg.json()) }),
  });
  service = await on.start();
}, 90_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

const vaultOf = (instance: string): TestProducer =>
  makeProducer('vault', { key: on.mesh.identities.vault.signingKey, instance });
const inLedger = (...ids: string[]): Promise<void> =>
  eventually(async () => expect(await on.eventIds()).toEqual(expect.arrayContaining(ids)), {
    timeoutMs: 15_000,
  });
const alertOf = (kind: string): Promise<{ subject: string; finding: AnomalyFinding }> =>
  eventually(
    () => {
      const found = alerts.find(({ finding }) => finding.summary.includes(`: ${kind} (`));
      expect(found).toBeDefined();
      return found!;
    },
    { timeoutMs: 15_000 },
  );

describe('a journal that somebody tampers with', () => {
  it('a pack that the broker drops is noticed; the others are taken', async () => {
    const vault = vaultOf('dropped');
    const [before, after] = [makeRecord(), makeRecord()];
    await on.publishRaw('vault', vault.pack([before]));
    vault.pack(makeRecords(2));
    await on.publishRaw('vault', vault.pack([after]));
    await inLedger(before.id, after.id);
    const { subject, finding } = await alertOf('gap');
    expect(subject).toBe('keymesh.v1.alert.high.journal-gap');
    expect(finding).toMatchObject({
      kind: 'journal-gap',
      severity: 'high',
      principal: '_vault',
      observed: 3,
      baseline: 2,
    });
    expect(finding.summary).toContain('dropped');
  });

  it('a forged pack is refused whole, and what comes after it is taken', async () => {
    const forger = makeProducer('vault', { key: makeSigningKey().key, instance: 'forged' });
    const [forged, honest] = [makeRecord(), makeRecord()];
    await on.publishRaw('vault', forger.pack([forged]));
    await on.publishRaw('vault', vaultOf('honest').pack([honest]));
    await inLedger(honest.id);
    expect(await on.eventIds()).not.toContain(forged.id);
    expect((await alertOf('bad-signature')).finding.severity).toBe('high');
  });

  it('a service cannot write in the name of another, even with its own good key', async () => {
    const other = makeProducer('vault', { key: on.mesh.identities.policy.signingKey, instance: 'impostor' });
    const [foreign, honest] = [makeRecord(), makeRecord({ service: 'policy', type: 'principal.locked' })];
    await on.publishRaw('policy', other.pack([foreign]));
    const policy = makeProducer('policy', {
      key: on.mesh.identities.policy.signingKey,
      instance: 'policy-1',
    });
    await on.publishRaw('policy', policy.pack([honest]));
    await inLedger(honest.id);
    expect(await on.eventIds()).not.toContain(foreign.id);
  });

  it('rubbish on the subject is an incident and holds nothing up', async () => {
    await on.publishRaw(
      'vault',
      Buffer.from('this is no pack at all, but it is long enough to have a signature at its end.'),
    );
    const honest = makeRecord();
    await on.publishRaw('vault', vaultOf('after-rubbish').pack([honest]));
    await inLedger(honest.id);
    await alertOf('malformed-pack');
  });

  it('an event id that is used again for something else is told, and only the first counts', async () => {
    const vault = vaultOf('reuse');
    const first = makeRecord();
    const later = { ...first, principal: 'somebody-else' };
    await on.publishRaw('vault', vault.pack([first]));
    await on.publishRaw('vault', vault.pack([later]));
    await alertOf('repeated-event-differs');
    const rows = await on.sql<{ principal: string }>('SELECT principal FROM entry WHERE event_id = $1', [
      first.id,
    ]);
    expect(rows).toEqual([{ principal: 'billing' }]);
  });

  it('a signed record of an unknown form is taken, and holds up neither ledger nor feed', async () => {
    const key = on.mesh.identities.vault.signingKey;
    const odd = { ...makeRecord(), resource: null, traceparent: 'x\r\nKeymesh-Log-Index: 0', decision: 5 };
    const header = { producer: 'vault', instance: 'odd', sequence: 1, previous: '0'.repeat(64) } as const;
    const records = [{ leaf: Buffer.from(JSON.stringify(odd)), beside: new Uint8Array() }];
    await on.publishRaw(
      'vault',
      encodePack({ ...header, createdAt: '2026-11-22T12:00:00.000Z' }, records, key),
    );
    await inLedger(odd.id);
    const size = (await on.eventIds()).length;
    const feed = await on.readFeed(size);
    expect(feed.some((event) => event.header(HEADERS.eventId) === odd.id)).toBe(true);
  });

  it('a replayed pack counts nothing twice', async () => {
    const vault = vaultOf('replayed');
    const records = makeRecords(2);
    const pack = vault.pack(records.slice(0, 1));
    await on.publishRaw('vault', pack);
    await on.publishRaw('vault', vault.pack(records.slice(1)));
    await on.publishRaw('vault', pack);
    expect((await alertOf('replayed')).subject).toBe('keymesh.v1.alert.medium.journal-gap');
    const ids = await on.eventIds();
    expect(ids.filter((id) => id === records[0]!.id)).toHaveLength(1);
    expect(await on.fsck()).toMatchObject({ ok: true });
  });
});
