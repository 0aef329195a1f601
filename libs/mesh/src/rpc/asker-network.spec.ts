import { describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/nats-core';
import { HEADERS } from '@keymesh/contracts';
import { askerNetwork, networkOf } from './asker-network.js';

describe('the network of an asker', () => {
  it.each([
    ['10.1.2.3', '10.1.2.0/24'],
    ['127.0.0.1', '127.0.0.0/24'],
    ['::ffff:192.168.7.9', '192.168.7.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8::7', '2001:db8::/48'],
    ['2001:0db8:00a1::7', '2001:db8:a1::/48'],
    ['fe80::1%eth0', 'fe80::/48'],
    ['::1', '::/48'],
    ['1:2:3::', '1:2:3::/48'],
    ['', undefined],
    ['localhost', undefined],
    ['10.1.2', undefined],
  ])('of %j is %j', (host, network) => {
    expect(networkOf(host)).toBe(network);
  });

  it.each(['', '{', '[]', 'null', '{"host":7}', '{"name":"{\\"host\\":\\"10.1.2.3\\"}"}'])(
    'is not known from %j',
    (text) => {
      const head = headers();
      if (text !== '') head.set(HEADERS.requestInfo, text);
      expect(askerNetwork(head)).toBeUndefined();
    },
  );

  it('is read from what the server says', () => {
    const head = headers();
    head.set(
      HEADERS.requestInfo,
      JSON.stringify({ host: '10.9.8.7', acc: 'CLIENTS', name: '"host":"1.1.1.1"' }),
    );
    expect(askerNetwork(head)).toBe('10.9.8.0/24');
    expect(askerNetwork(undefined)).toBeUndefined();
  });

  it('is that of the very connection, whatever was read before', () => {
    const said = (host: unknown, name: string) => {
      const head = headers();
      head.set(HEADERS.requestInfo, JSON.stringify({ host, name }));
      return head;
    };
    // More than are remembered, and one that is too long for it.
    for (let at = 0; at < 5_000; at += 1) {
      const third = String(at % 250);
      expect(askerNetwork(said(`10.0.${third}.1`, String(at)))).toBe(`10.0.${third}.0/24`);
    }
    for (const name of ['one', 'x'.repeat(2_000)]) {
      for (let round = 0; round < 2; round += 1) {
        expect(askerNetwork(said('10.7.0.1', name))).toBe('10.7.0.0/24');
        expect(askerNetwork(said('10.8.0.1', name))).toBe('10.8.0.0/24');
        expect(askerNetwork(said(7, name))).toBeUndefined();
      }
    }
  });
});
