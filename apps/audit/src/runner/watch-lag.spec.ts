import { describe, expect, it } from '@jest/globals';
import { measureLag } from './watch-lag.js';

describe('measureLag', () => {
  it('is nothing while the ledger has everything, however old it is', () => {
    expect(measureLag({ journalSequence: 7, journalStoredAt: 0 }, 7, 1e9)).toEqual({ packs: 0, seconds: 0 });
  });
  it('counts packs and the age of the newest one taken', () => {
    expect(measureLag({ journalSequence: 5, journalStoredAt: 1_000 }, 7, 11_000)).toEqual({
      packs: 2,
      seconds: 10,
    });
  });
  it('knows no age before the first', () => {
    expect(measureLag({ journalSequence: 0, journalStoredAt: null }, 3, 5_000)).toEqual({
      packs: 3,
      seconds: 0,
    });
  });
});
