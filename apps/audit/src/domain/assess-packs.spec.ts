import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, utf8 } from '@keymesh/kernel';
import { encodeLeaf, encodePack } from '@keymesh/mesh';
import { hashLeaf } from '@keymesh/transparency-log';
import { deliver, makeProducer, makeRecord, makeRecords } from '../../test/records.js';
import { assessPacks } from './assess-packs.js';

const { key } = makeSigningKey();
const options = {
  chainOf: () => undefined,
  keysOf: (service: string) => (service === 'vault' ? [makeSigningKey().key.publicKey, key.publicKey] : []),
};
const kinds = (deliveries: ReturnType<typeof deliver>[]): string[] =>
  assessPacks(deliveries, options).incidents.map(({ kind }) => kind);

describe('assessPacks', () => {
  it('takes the leaves of signed packs in journal order, each with its exact bytes', () => {
    const vault = makeProducer('vault', { key });
    const records = makeRecords(5);
    const deliveries = [vault.next(records.slice(0, 3)), vault.next(), vault.next(records.slice(3))];
    const { leaves, chains, incidents } = assessPacks(deliveries, options);
    expect(incidents).toEqual([]);
    expect(leaves.map(({ facts }) => facts.eventId)).toEqual(records.map(({ id }) => id));
    expect(leaves.map(({ leaf }) => Buffer.from(leaf))).toEqual(
      records.map((record) => Buffer.from(encodeLeaf(record))),
    );
    expect(leaves[0]).toMatchObject({
      leafHash: hashLeaf(encodeLeaf(records[0]!)),
      beside: { name: 'billing/stripe' },
      journalSequence: deliveries[0]!.streamSequence,
    });
    expect(chains).toMatchObject([{ instance: 'vault-1', sequence: 3, ended: false }]);
  });

  it('takes nothing of a pack by another key, and everything of the others', () => {
    const forger = makeProducer('vault', { instance: 'vault-9' });
    const vault = makeProducer('vault', { key });
    const good = makeRecord();
    const { leaves, incidents } = assessPacks([forger.next([makeRecord()]), vault.next([good])], options);
    expect(incidents.map(({ kind }) => kind)).toEqual(['bad-signature']);
    expect(leaves.map(({ facts }) => facts.eventId)).toEqual([good.id]);
  });

  it('takes nothing of a pack whose every bit is not as signed', () => {
    const bytes = makeProducer('vault', { key }).pack([makeRecord()]);
    for (let at = 0; at < bytes.length; at += 7) {
      const spoiled = new Uint8Array(bytes);
      spoiled[at]! ^= 1 << (at % 8);
      const { leaves, incidents } = assessPacks([deliver(spoiled)], options);
      expect(leaves).toEqual([]);
      expect(incidents).toHaveLength(1);
    }
  });

  it('refuses a service that speaks on the subject of another, or in its name', () => {
    const policy = makeProducer('policy', { key });
    expect(kinds([deliver(policy.pack([makeRecord({ service: 'policy' })]), 'vault')])).toEqual([
      'bad-signature',
    ]);
    const vault = makeProducer('vault', { key });
    expect(kinds([deliver(vault.pack([makeRecord({ service: 'policy' })]))])).toEqual(['malformed-leaf']);
  });

  it('takes the sound leaves of a signed pack that holds another thing too', () => {
    const record = makeRecord();
    const beside = new Uint8Array();
    const leaves = [
      { leaf: utf8('not a record'), beside },
      { leaf: encodeLeaf(record), beside },
    ];
    const header = {
      producer: 'vault',
      instance: 'v',
      sequence: 1,
      previous: '0'.repeat(64),
      createdAt: '2026-11-22T12:00:00.000Z',
    } as const;
    const assessed = assessPacks([deliver(encodePack(header, leaves, key))], options);
    expect(assessed.incidents).toMatchObject([{ kind: 'malformed-leaf', observed: 1 }]);
    expect(assessed.leaves.map(({ facts }) => facts.eventId)).toEqual([record.id]);
  });

  it('tells a dropped pack, and takes what came after it', () => {
    const vault = makeProducer('vault', { key });
    const before = vault.next(makeRecords(2));
    vault.next(makeRecords(2));
    const after = vault.next(makeRecords(2));
    const { leaves, incidents } = assessPacks([before, after], options);
    expect(incidents).toMatchObject([{ kind: 'gap', service: 'vault', observed: 3, expected: 2 }]);
    expect(leaves).toHaveLength(4);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['rubbish', utf8('rubbish that is long enough to have a signature at its end, but it has not any')],
    [
      'an instance name that Postgres would not take',
      makeProducer('vault', { key, instance: 'a\0b' }).pack([makeRecord()]),
    ],
  ])('tells that %s is no pack', (_what, bytes) => {
    expect(kinds([deliver(bytes)])).toEqual(['malformed-pack']);
  });

  it('believes nobody of whom the directory knows no key', () => {
    const rotation = makeProducer('rotation', { key });
    expect(kinds([rotation.next([makeRecord({ service: 'rotation' })])])).toEqual(['bad-signature']);
  });
});
