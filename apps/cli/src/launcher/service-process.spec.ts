import { describe, expect, it } from '@jest/globals';
import { readableWarning } from './service-process.js';

describe('lines of a service that are shown', () => {
  it.each([
    ['{"level":"warn","msg":"bus disconnected"}', 'warn: bus disconnected'],
    ['{"level":50,"msg":"no","code":"STORE_UNAVAILABLE"}', '50: no (STORE_UNAVAILABLE)'],
    ['Error: the runtime says', 'Error: the runtime says'],
    ['{"level":"info","msg":"ready"}', undefined],
    ['', undefined],
    ['{"half', '{"half'],
  ])('%s', (line, shown) => {
    expect(readableWarning(line)).toBe(shown);
  });
});
