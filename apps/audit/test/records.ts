import type { AuditRecord, ServiceName } from '@keymesh/contracts';
import { makeSigningKey, utf8, type SigningKey } from '@keymesh/kernel';
import { encodeLeaf, encodePack, type Delivery, type PackHeader } from '@keymesh/mesh';
import { subjects } from '@keymesh/contracts';
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

/** A record as the vault writes one when it reveals a credential. */
export const makeRecord = (change: Partial<AuditRecord> = {}): AuditRecord => ({
  v: 1,
  id: uuidv7(),
  time: '2026-11-22T12:00:00.123Z',
  type: 'credential.retrieved',
  service: 'vault',
  instance: 'vault-1',
  outcome: 'success',
  principal: 'billing',
  session: '00112233445566778899aabbccddeeff',
  requestId: 'request-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  resource: { kind: 'credential', id: '018f5b2e-0000-7000-8000-000000000001', version: 3, revision: 7 },
  decision: {
    effect: 'permit',
    bundleVersion: 4,
    determiningPolicies: ['role.reader'],
    errors: [],
    request: {
      principal: { name: 'billing', kind: 'service', roles: ['reader'] },
      action: 'retrieve',
      resource: {
        kind: 'credential',
        id: '018f5b2e-0000-7000-8000-000000000001',
        attributes: { namespace: 'default' },
      },
      context: { channel: 'encrypted' },
    },
  },
  ...change,
});

/** Records with ids and times of their own. */
export const makeRecords = (count: number, change: Partial<AuditRecord> = {}): AuditRecord[] =>
  Array.from({ length: count }, () => makeRecord(change));

export interface TestProducer {
  readonly key: SigningKey;
  /** The next pack of the chain as JOURNAL delivers it. */
  next(records?: readonly AuditRecord[], change?: Partial<PackHeader>): Delivery;
  /** The next pack's bytes. */
  pack(records?: readonly AuditRecord[], change?: Partial<PackHeader>): Uint8Array;
}

/** A producing instance that writes its packs by hand, so that specs can leave some out or spoil them. */
export function makeProducer(
  service: ServiceName = 'vault',
  { key = makeSigningKey().key, instance = 'vault-1' }: { key?: SigningKey; instance?: string } = {},
): TestProducer {
  let sequence = 0;
  let previous = '0'.repeat(64);
  const pack = (records: readonly AuditRecord[] = [], change: Partial<PackHeader> = {}): Uint8Array => {
    sequence += 1;
    const header = { producer: service, instance, sequence, previous, createdAt: '2026-11-22T12:00:00.000Z' };
    const beside = utf8('{"name":"billing/stripe","salt":"c2FsdA"}');
    const bytes = encodePack(
      { ...header, ...change },
      records.map((record) => ({ leaf: encodeLeaf(record), beside })),
      key,
    );
    previous = createHash('sha256').update(bytes).digest('hex');
    return bytes;
  };
  return {
    key,
    pack,
    next: (records, change) => deliver(pack(records, change), service),
  };
}

let lastSequence = 0;

/** A journal message. Sequences rise over all producers of a spec file. */
export function deliver(
  data: Uint8Array,
  service: ServiceName = 'vault',
  change: Partial<Delivery> = {},
): Delivery {
  lastSequence += 1;
  return {
    subject: subjects.journal(service),
    data,
    header: () => undefined,
    streamSequence: lastSequence,
    deliveryCount: 1,
    pending: 0,
    storedAt: Date.parse('2026-11-22T12:00:01Z') + lastSequence,
    ...change,
  };
}
