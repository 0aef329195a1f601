import { describe, expect, it } from '@jest/globals';
import { isInNetworks } from './networks.js';

describe('isInNetworks', () => {
  it.each([
    ['10.1.2.3', undefined, true],
    [undefined, undefined, true],
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['11.1.2.3', ['10.0.0.0/8'], false],
    ['10.1.2.3', ['192.168.0.0/16', '10.1.2.3/32'], true],
    ['10.1.2.4', ['10.1.2.3/32'], false],
    ['::ffff:10.1.2.3', ['10.0.0.0/8'], true],
    ['::ffff:11.1.2.3', ['10.0.0.0/8'], false],
    ['2001:db8::1', ['2001:db8::/32'], true],
    ['2001:db9::1', ['2001:db8::/32'], false],
    ['2001:db8::1', ['10.0.0.0/8'], false],
    ['10.1.2.3', ['0.0.0.0/0'], true],
    [undefined, ['0.0.0.0/0'], false],
    ['somewhere.example', ['0.0.0.0/0'], false],
    ['', ['0.0.0.0/0'], false],
  ])('%s in %j: %s', (host, networks, expected) => {
    expect(isInNetworks(host, networks)).toBe(expected);
  });
});
