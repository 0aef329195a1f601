import { describe, expect, it } from '@jest/globals';
import { anomalyFinding } from '@keymesh/contracts';
import { z } from 'zod';
import { alertOf, INCIDENT_SEVERITY, incidentId, type Incident, type IncidentKind } from './incident.js';

const gap: Incident = {
  kind: 'gap',
  service: 'vault',
  instance: 'v1',
  journalSequence: 9,
  observed: 4,
  expected: 2,
};

describe('incidents', () => {
  it.each(Object.keys(INCIDENT_SEVERITY) as IncidentKind[])('%s becomes an alert of the contract', (kind) => {
    const alert = anomalyFinding.parse(alertOf({ ...gap, kind }, 0));
    expect(alert).toMatchObject({
      kind: 'journal-gap',
      severity: INCIDENT_SEVERITY[kind],
      principal: '_vault',
    });
  });

  it('keep their id when the ledger is rebuilt, and differ from each other', () => {
    expect(incidentId({ ...gap })).toBe(incidentId(gap));
    expect(z.uuid().safeParse(incidentId(gap)).success).toBe(true);
    const others: Incident[] = [
      { ...gap, kind: 'fork' },
      { ...gap, service: 'policy' },
      { ...gap, instance: 'v2' },
      { ...gap, journalSequence: 10 },
      { ...gap, observed: 5 },
    ];
    expect(new Set([gap, ...others].map(incidentId)).size).toBe(6);
  });
});
