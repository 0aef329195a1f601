import { subjects } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import { insertOutbox } from '@keymesh/postgres';
import type { EntityManager } from 'typeorm';
import { alertOf, INCIDENT_SEVERITY, incidentId, type Incident } from '../domain/incident.js';

/**
 * Records incidents and, in the same transaction, what is to be told of them. One that is recorded already is not told again.
 * @returns how many are new.
 */
export async function insertIncidents(
  manager: EntityManager,
  incidents: readonly Incident[],
  nowMs: number,
): Promise<number> {
  let fresh = 0;
  for (const incident of incidents) {
    const { kind, service, instance, journalSequence, observed, expected } = incident;
    const id = incidentId(incident);
    const inserted = await manager.query<unknown[]>(
      `INSERT INTO incident (id, kind, service, instance, journal_sequence, observed, expected)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id`,
      [id, kind, service, instance, journalSequence, observed, expected],
    );
    if (inserted.length === 0) continue;
    fresh += 1;
    await insertOutbox(manager, {
      kind: 'alert',
      id,
      subject: subjects.alert(INCIDENT_SEVERITY[kind], 'journal-gap'),
      payload: Buffer.from(utf8(JSON.stringify(alertOf(incident, nowMs)))),
    });
  }
  return fresh;
}
