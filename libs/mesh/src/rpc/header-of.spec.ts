import { describe, expect, it } from '@jest/globals';
import { headers, MsgHdrsImpl, type MsgHdrs } from '@nats-io/nats-core';
import fc from 'fast-check';
import { headerOf } from './header-of.js';

describe('a header', () => {
  const name = fc.constantFrom(
    'Keymesh-Parts',
    'keymesh-parts',
    'Keymesh-Channel',
    'traceparent',
    'constructor',
  );
  const value = fc.stringMatching(/^[ -~]{0,12}$/);

  it('is what the client gives, of all that may be sent', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), name, (sent, asked) => {
        const head = headers();
        for (const [key, text] of sent) head.append(key, text);
        const received = MsgHdrsImpl.decode((head as MsgHdrsImpl).encode());
        expect(headerOf(head, asked)).toBe(head.get(asked));
        expect(headerOf(received, asked)).toBe(received.get(asked));
      }),
    );
  });

  it("is empty where there are no headers, and read from others than the client's own too", () => {
    expect(headerOf(undefined, 'traceparent')).toBe('');
    const other = { get: (key: string) => `of ${key}` } as MsgHdrs;
    expect(headerOf(other, 'traceparent')).toBe('of traceparent');
  });
});
