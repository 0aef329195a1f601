import { describe, expect, it } from '@jest/globals';
import { KeymeshError } from '@keymesh/kernel';
import fc from 'fast-check';
import { makePolicyHolder, type CurrentPolicy } from './policy-holder.js';

// The holder looks at the version alone.
const policy = (version: number) => ({ version }) as CurrentPolicy;

describe('the policy holder', () => {
  it('refuses to decide before the first bundle', () => {
    const holder = makePolicyHolder();
    expect(holder.findPolicy()).toBeUndefined();
    expect(() => holder.currentPolicy()).toThrow(KeymeshError);
    try {
      holder.currentPolicy();
    } catch (error) {
      expect((error as KeymeshError).code).toBe('POLICY_UNAVAILABLE');
    }
  });

  it('never goes back, in whatever order bundles come', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (versions) => {
        const holder = makePolicyHolder();
        let highest = 0;
        for (const version of versions) {
          expect(holder.accept(policy(version))).toBe(version > highest);
          highest = Math.max(highest, version);
          expect(holder.currentPolicy().version).toBe(highest);
        }
      }),
    );
  });

  it('tells listeners what holds now and what comes, until they stop', () => {
    const holder = makePolicyHolder();
    holder.accept(policy(1));
    const seen: number[] = [];
    const stop = holder.onChange(({ version }) => seen.push(version));
    holder.accept(policy(2));
    holder.accept(policy(2));
    stop();
    holder.accept(policy(3));
    expect(seen).toEqual([1, 2]);
  });
});
