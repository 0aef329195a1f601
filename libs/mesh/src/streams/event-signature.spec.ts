import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, utf8 } from '@keymesh/kernel';
import fc from 'fast-check';
import { isEventSignedBy, signEvents, type EventToSign } from './event-signature.js';

const { key } = makeSigningKey();
const other = makeSigningKey().key;
const events = (count: number): EventToSign[] =>
  Array.from({ length: count }, (_, at) => ({
    subject: 'keymesh.v1.audit.vault.credential.retrieved',
    id: `id-${String(at)}`,
    bytes: utf8(`event ${String(at)}`),
  }));

describe('one signature for a batch of events', () => {
  it('lets every event of a batch of any size be checked alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), (count) => {
        const batch = events(count);
        const headers = signEvents(batch, key);
        const fresh = batch.map((event, at) =>
          isEventSignedBy([key.publicKeyText], { ...event, signature: headers[at]! }),
        );
        expect(fresh).toEqual(batch.map(() => true));
      }),
      { numRuns: 40 },
    );
  });

  it('is not by another key, also after it was found to be by the right one', () => {
    const [event] = events(1);
    const [signature] = signEvents([event!], key);
    expect(isEventSignedBy([key.publicKeyText], { ...event!, signature: signature! })).toBe(true);
    expect(isEventSignedBy([other.publicKeyText], { ...event!, signature: signature! })).toBe(false);
    expect(isEventSignedBy([], { ...event!, signature: signature! })).toBe(false);
  });

  it('does not hold for another subject, id or body, nor with the path of another event', () => {
    const batch = events(5);
    const headers = signEvents(batch, key);
    const first = { ...batch[0]!, signature: headers[0]! };
    const changes = [
      { subject: 'keymesh.v1.audit.vault.credential.deleted' },
      { id: 'id-other' },
      { bytes: utf8('event 0 ') },
      { signature: headers[1]! },
      { signature: '' },
    ];
    for (const change of changes)
      expect(isEventSignedBy([key.publicKeyText], { ...first, ...change })).toBe(false);
  });

  it('does not hold after any single character of the header is changed', () => {
    const batch = events(4);
    const [signature = ''] = signEvents(batch, key);
    for (let at = 0; at < signature.length; at += 1) {
      const changed = `${signature.slice(0, at)}${signature[at] === 'A' ? 'B' : 'A'}${signature.slice(at + 1)}`;
      expect(isEventSignedBy([key.publicKeyText], { ...batch[0]!, signature: changed })).toBe(false);
    }
  });

  it('never throws for garbage', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array(), (signature, bytes) => {
        expect(isEventSignedBy([key.publicKeyText], { subject: 's', id: 'i', bytes, signature })).toBe(false);
      }),
    );
    expect(
      isEventSignedBy([key.publicKeyText], {
        subject: 's',
        id: 'i',
        bytes: randomBytes(8),
        signature: `${'A'.repeat(86)}.70000.`,
      }),
    ).toBe(false);
  });
});
