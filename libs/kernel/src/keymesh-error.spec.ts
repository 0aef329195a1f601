import { describe, expect, test } from '@jest/globals';
import { KeymeshError } from './index.js';

describe('a KeymeshError', () => {
  test('carries code, public sentence, details and cause', () => {
    const cause = new Error('driver text');
    const error = new KeymeshError('STORE_UNAVAILABLE', {
      publicMessage: 'Try again.',
      details: { table: 't' },
      cause,
    });
    expect(error).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: 'Try again.',
      details: { table: 't' },
      cause,
    });
    expect(new KeymeshError('INTERNAL').message).toBe('INTERNAL');
    expect('cause' in new KeymeshError('INTERNAL')).toBe(false);
  });

  test('is known by shape, also from another copy of the package, and nothing else is', () => {
    const foreign = Object.assign(new Error('x'), { name: 'KeymeshError', code: 'INTERNAL' });
    expect([new KeymeshError('INTERNAL'), foreign].every((error) => KeymeshError.is(error))).toBe(true);
    const others = [new Error('x'), { name: 'KeymeshError', code: 'INTERNAL' }, 'INTERNAL', null, undefined];
    expect(others.some((error) => KeymeshError.is(error))).toBe(false);
  });
});
