import { describe, expect, it } from '@jest/globals';
import { bar } from './progress.js';

describe('a progress bar', () => {
  it('shows the share, the numbers and what is waited for', () => {
    expect(bar('rewrap a', 5, 10)).toBe(`rewrap a [${'#'.repeat(15)}${' '.repeat(15)}]  50% 5/10`);
    expect(bar('rewrap a', 0, 10, 'VAULT_LOCKED')).toContain('0% 0/10 waits: VAULT_LOCKED');
    expect(bar('rewrap a', 10, 10)).toContain('100% 10/10');
  });

  it('is full where there is nothing to do, and never more than full', () => {
    expect(bar('rewrap a', 0, 0)).toContain('100% 0/0');
    expect(bar('rewrap a', 12, 10)).toContain(`[${'#'.repeat(30)}] 100%`);
  });
});
