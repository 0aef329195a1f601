import { describe, expect, it } from '@jest/globals';
import { expectCode } from '@keymesh/testing';
import { pointInTime, wholeNumber } from './option-values.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');

describe('what people write after an option', () => {
  it.each([
    ['2027-01-31', '2027-01-31T00:00:00.000Z'],
    ['2027-01-31T12:00:00+01:00', '2027-01-31T11:00:00.000Z'],
    ['30d', '2026-12-22T12:00:00.000Z'],
    ['90s', '2026-11-22T12:01:30.000Z'],
  ])('reads %s as a point in time', (text, at) => {
    expect(pointInTime('--expires', text, NOW)).toBe(at);
  });

  it.each(['', 'soon', '12', '2027-13-45', '5y', '-3d'])('refuses %j as one', async (text) => {
    await expectCode(new Promise((resolve) => resolve(pointInTime('--expires', text, NOW))), 'USAGE');
  });

  it('reads whole numbers only', async () => {
    expect(wholeNumber('--n', '017')).toBe(17);
    await expectCode(new Promise((resolve) => resolve(wholeNumber('--n', '1e3'))), 'USAGE');
  });
});
