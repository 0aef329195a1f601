import { describe, expect, it } from '@jest/globals';
import { readAuditEvent, type AuditRecord } from '@keymesh/contracts';
import { toHex, utf8 } from '@keymesh/kernel';
import { encodeLeaf } from '@keymesh/mesh';
import { hashLeaf } from '@keymesh/transparency-log';
import { makeRecord } from '../../test/records.js';
import { classify } from './ocsf-class.js';
import { readRecord, toOcsfEvent } from './ocsf-event.js';

const ORIGIN = 'keymesh.example/audit';
const eventOf = (record: AuditRecord) => {
  const leaf = encodeLeaf(record);
  return toOcsfEvent(readRecord({ index: 42, leaf, leafHash: toHex(hashLeaf(leaf)) }), ORIGIN);
};

describe('the OCSF event of a reveal', () => {
  const record = makeRecord();
  const event = eventOf(record);

  it('is API Activity: Read', () => {
    expect(event).toMatchObject({
      class_uid: 6003,
      category_uid: 6,
      activity_id: 2,
      type_uid: 600302,
      time: Date.parse(record.time),
      status_id: 1,
      severity_id: 1,
      action_id: 1,
      metadata: {
        version: '1.3.0',
        uid: record.id,
        sequence: 42,
        event_code: 'credential.retrieved',
        log_name: ORIGIN,
      },
      actor: {
        user: { name: 'billing', type_id: 3 },
        session: { uid: record.session },
        authorizations: [{ decision: 'permit', policy: { uid: 'role.reader', version: '4' } }],
      },
      api: { operation: 'credential.retrieved', service: { name: 'vault' }, request: { uid: 'request-1' } },
      src_endpoint: { name: 'billing' },
      resources: [{ type: 'credential', uid: record.resource?.id, version: '3' }],
    });
  });

  it('lets whoever has it compute the leaf hash', () => {
    expect(toHex(hashLeaf(utf8(event.raw_data)))).toBe((event.unmapped as { leaf_hash: string }).leaf_hash);
  });

  it('is read back by our own consumers', () => {
    expect(readAuditEvent(utf8(JSON.stringify(event)))).toEqual({ logIndex: 42, record });
  });

  it('is the same bytes each time, so that the feed can be rebuilt', () => {
    expect(JSON.stringify(eventOf(record))).toBe(JSON.stringify(event));
  });
});

describe('the OCSF event of other records', () => {
  it('tells a denial and its code', () => {
    const event = eventOf(makeRecord({ outcome: 'denied', code: 'DENIED' }));
    expect(event).toMatchObject({
      status_id: 2,
      status_code: 'DENIED',
      severity_id: 3,
      action_id: 2,
      disposition_id: 2,
      api: { response: { error: 'DENIED' } },
    });
  });

  it('names the service as the actor where no principal asked', () => {
    const {
      principal: _principal,
      decision: _decision,
      session: _session,
      resource: _resource,
      ...bare
    } = makeRecord();
    const event = eventOf(bare);
    expect(event).toMatchObject({
      actor: { user: { name: '_vault', type_id: 3 } },
      src_endpoint: { name: '_vault' },
    });
    expect(JSON.stringify(event)).not.toContain('undefined');
  });

  it('what the classes require is there', () => {
    const required: Record<number, string[]> = {
      6003: ['actor', 'api', 'src_endpoint'],
      3002: ['user', 'service'],
      3004: ['entity'],
    };
    for (const type of ['credential.stored', 'connection.opened', 'principal.locked', 'something.new']) {
      const { resource: _resource, ...bare } = makeRecord({ type });
      const event = eventOf(bare);
      for (const field of [
        ...(required[event.class_uid] ?? []),
        'metadata',
        'severity_id',
        'time',
        'type_uid',
      ])
        expect(event).toHaveProperty(field);
    }
  });
});

describe('the OCSF event of a record that is not of the form we know', () => {
  it.each([
    { resource: null },
    { decision: 5 },
    { decision: { determiningPolicies: 'all', request: null } },
    { outcome: { toString: 1 } },
    { principal: ['a'], session: null, facts: 'x', traceparent: 7, requestId: {} },
    {
      decision: {
        effect: 'permit',
        determiningPolicies: [],
        request: { principal: { kind: 'constructor' } },
      },
    },
  ])('is there all the same, with the whole leaf: %j', (odd) => {
    const leaf = utf8(JSON.stringify({ ...makeRecord(), ...odd }));
    const event = toOcsfEvent(readRecord({ index: 7, leaf, leafHash: toHex(hashLeaf(leaf)) }), ORIGIN);
    expect(event).toMatchObject({ metadata: { sequence: 7, event_code: 'credential.retrieved' } });
    expect(toHex(hashLeaf(utf8(event.raw_data)))).toBe(toHex(hashLeaf(leaf)));
    expect(JSON.parse(JSON.stringify(event))).toMatchObject({ class_uid: 6003 });
  });
});

describe('classify', () => {
  it.each([
    ['credential.stored', 6003, 1],
    ['credential.deleted', 6003, 4],
    ['credential.deactivated', 6003, 3],
    ['credential.purged', 6003, 4],
    ['rotation.finished', 6003, 3],
    ['key-job.started', 6003, 1],
    ['namespace-key.rewrapped', 6003, 3],
    ['vault.locked', 6003, 3],
    ['principal.enrolled', 3004, 3],
    ['principal.listed', 3004, 2],
    ['policy.set', 3004, 3],
    ['policy.validated', 3004, 2],
    ['connection.refused', 3002, 1],
    ['session.closed', 3002, 2],
    ['credential.unheard-of', 6003, 99],
    ['credential.constructor', 6003, 99],
  ])('%s → class %i, activity %i', (type, uid, activity) => {
    const found = classify(type);
    expect([found.class.uid, found.activity.id]).toEqual([uid, activity]);
  });
});
