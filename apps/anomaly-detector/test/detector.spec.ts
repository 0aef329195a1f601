import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { failure, listFindings, type AuditRecord } from '@keymesh/contracts';
import { MINUTE } from '@keymesh/kernel';
import { eventually, expectCode, type ServiceProcess } from '@keymesh/testing';
import { recordOf, startDetectorMesh, type DetectorMesh, type Planted } from './support/detector-mesh.js';

let on: DetectorMesh;
let service: ServiceProcess;

beforeAll(async () => {
  on = await startDetectorMesh();
  service = await on.start();
}, 90_000);

afterAll(async () => {
  await service.kill('SIGTERM');
  await on.stop();
}, 30_000);

interface FindingRow {
  finding_id: string;
  kind: string;
  severity: string;
  principal: string;
  response: string | null;
  occurrences: number;
}
const findingsOf = (principal: string) =>
  on.sql<FindingRow>('SELECT * FROM finding WHERE principal = $1 ORDER BY created_at, finding_id', [
    principal,
  ]);
const countedEvents = async (records: readonly AuditRecord[]): Promise<number> => {
  const [row] = await on.sql<{ count: number }>(
    'SELECT count(*)::int AS count FROM processed_event WHERE event_id = ANY($1::uuid[])',
    [records.map(({ id }) => id)],
  );
  return row?.count ?? 0;
};
const whenCounted = (records: readonly AuditRecord[]) =>
  eventually(async () => expect(await countedEvents(records)).toBe(records.length), { timeoutMs: 20_000 });

const burst = (principal: string, count: number, fields: Partial<Planted> = {}): Planted[] => {
  const now = Date.now();
  return Array.from({ length: count }, (_, at) => ({
    principal,
    atMs: now - (count - at) * 50,
    outcome: 'denied',
    code: 'DENIED',
    ...fields,
  }));
};

describe('a burst of denials', () => {
  it('is found, told to the SIEM, recorded, and locks the principal', async () => {
    const records = await on.publish(burst('suspect', 25));
    await eventually(() =>
      expect(on.locks.filter(({ principal }) => principal === 'suspect')).toHaveLength(1),
    );
    expect(on.locks[0]).toEqual({ principal: 'suspect', lockSeconds: 300, reason: 'denied-burst' });
    await whenCounted(records);
    await eventually(async () =>
      expect((await findingsOf('suspect'))[0]?.response).toMatch(/^locked until 2/),
    );
    const [finding, ...others] = await findingsOf('suspect');
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ kind: 'denied-burst', severity: 'high', occurrences: 16 });

    await eventually(() =>
      expect(on.alerts.some((alert) => alert.finding.principal === 'suspect')).toBe(true),
    );
    const alerts = on.alerts.filter((alert) => alert.finding.principal === 'suspect');
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatchObject({
      subject: 'keymesh.v1.alert.high.denied-burst',
      messageId: finding?.finding_id,
      signed: true,
      finding: { findingId: finding?.finding_id, kind: 'denied-burst', response: 'lock requested' },
    });
    const recorded = await on.sql<{ record: string }>(
      `SELECT convert_from(payload, 'UTF8') AS record FROM outbox WHERE kind = 'journal'
       AND position(convert_to($1, 'UTF8') in payload) > 0`,
      [finding?.finding_id],
    );
    expect(recorded.map(({ record }) => JSON.parse(record) as AuditRecord)).toEqual([
      expect.objectContaining({
        type: 'finding.raised',
        principal: '_anomaly-detector',
        facts: expect.objectContaining({ about: 'suspect', kind: 'denied-burst' }),
      }),
    ]);
  }, 30_000);

  it('is not needed where one record says enough: a refused policy bundle is told to the SIEM', async () => {
    const kind = 'policy-bundle-refused';
    await on.publish([{ type: 'policy-bundle.refused', outcome: 'failure', atMs: Date.now() }]);
    await eventually(() => {
      const [alert] = on.alerts.filter(({ finding }) => finding.kind === kind);
      expect(alert).toMatchObject({
        subject: 'keymesh.v1.alert.high.policy-bundle-refused',
        signed: true,
        finding: { principal: '_vault', response: null },
      });
    });
    expect(on.locks.filter(({ principal }) => principal.startsWith('_'))).toEqual([]);
  }, 30_000);

  it('locks in the end when the policy service is away at first', async () => {
    let attempts = 0;
    on.onLock(() => (++attempts < 3 ? Promise.reject(failure('UNAVAILABLE')) : Promise.resolve()));
    await on.publish(burst('billing', 12));
    await eventually(
      async () => expect((await findingsOf('billing'))[0]?.response).toMatch(/^locked until/),
      {
        timeoutMs: 20_000,
      },
    );
    expect(attempts).toBe(3);
    on.onLock(() => Promise.resolve());
  }, 30_000);

  // Guarantee: denials made in their name cannot lock out those who would stop an attack.
  it('never locks operators, nor the own services of the mesh, nor for what is long over', async () => {
    const { name } = on.operator;
    await on.publish([...burst(name, 15), ...burst('_rotation', 15)]);
    const old = burst('reader', 15).map((plant) => ({ ...plant, atMs: plant.atMs - 10 * MINUTE }));
    const records = await on.publish(old);
    await whenCounted(records);
    await eventually(async () => {
      expect((await findingsOf(name))[0]?.response).toBe('not locked: operators never are');
      expect((await findingsOf('reader'))[0]?.response).toBe('not locked: it was over before it was seen');
    });
    expect(await findingsOf('_rotation')).toEqual([]);
    const locked = on.locks.map(({ principal }) => principal);
    for (const spared of [name, '_rotation', 'reader']) expect(locked).not.toContain(spared);
  }, 30_000);

  // Guarantee: whoever owns the broker cannot have anybody locked out.
  it('is not made by messages that the audit service did not sign', async () => {
    const forged = burst('quiet', 30).map(recordOf);
    await on.replay(forged, on.mesh.identities.vault.signingKey);
    const real = await on.publish([{ principal: 'quiet', atMs: Date.now() }]);
    await whenCounted(real);
    expect(await countedEvents(forged)).toBe(0);
    expect(await findingsOf('quiet')).toEqual([]);
  }, 30_000);
});

describe('a rate', () => {
  it('is normal for one principal and a finding for another; a replayed feed changes nothing', async () => {
    const start = Math.floor(Date.now() / MINUTE) * MINUTE - 20 * MINUTE;
    const planted: Planted[] = [];
    const minute = (principal: string, index: number, count: number): void => {
      for (let at = 0; at < count; at += 1)
        planted.push({ principal, atMs: start + index * MINUTE + Math.floor((at * MINUTE) / count) });
    };
    for (let index = 0; index < 12; index += 1) {
      minute('busy', index, 100);
      minute('calm', index, 2);
    }
    minute('busy', 12, 100);
    minute('calm', 12, 100);
    const records = await on.publish(planted.sort((a, b) => a.atMs - b.atMs));
    await whenCounted(records);
    expect(await findingsOf('busy')).toEqual([]);
    const found = await findingsOf('calm');
    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(['unusual-rate']));
    expect(found.map(({ response }) => response)).toEqual(found.map(() => null));

    const state = async () => [
      await on.sql('SELECT principal, state FROM baseline ORDER BY principal'),
      await on.sql('SELECT * FROM finding ORDER BY finding_id'),
      (await on.sql('SELECT 1 FROM outbox')).length,
    ];
    const before = await state();
    await on.replay(records);
    const marker = await on.publish([{ principal: '_audit', atMs: Date.now() }]);
    await whenCounted(marker);
    expect(await state()).toEqual(before);
  }, 60_000);
});

describe('listFindings', () => {
  it('is for those who may read findings', async () => {
    const auditor = await on.callerOf(on.auditor);
    const { findings } = await auditor.call(listFindings, { principal: 'suspect' });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ kind: 'denied-burst', principal: 'suspect' });
    const all = await auditor.call(listFindings, {});
    expect(all.findings.length).toBeGreaterThan(1);
    auditor.close();
    const reader = await on.callerOf(on.reader);
    await expectCode(reader.call(listFindings, {}), 'DENIED');
    reader.close();
  });

  it('and everything is counted', async () => {
    const text = await (await fetch(`http://127.0.0.1:${service.httpPort}/metrics`)).text();
    expect(text).toMatch(/keymesh_findings_total\{kind="denied-burst",severity="high".*\} [1-9]/);
    expect(text).toMatch(/keymesh_finding_responses_total\{outcome="locked".*\} [1-9]/);
    expect(text).toMatch(/keymesh_detector_rejected_events_total\{reason="unsigned".*\} 30/);
    expect(text).toMatch(/keymesh_feed_lag_records.* 0/);
  });
});
