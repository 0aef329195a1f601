import { describe, expect, it } from '@jest/globals';
import { FINDING_KINDS, MAX_RISK_SCORES, riskScores } from '@keymesh/contracts';
import { HOUR } from '@keymesh/kernel';
import fc from 'fast-check';
import { BEHAVIOUR, riskOf } from './risk.js';

const NOW = Date.UTC(2026, 10, 26, 6);
const finding = (over: Partial<Parameters<typeof riskOf>[0][number]> = {}) => ({
  ...{ kind: 'denied-burst' as const, principal: 'billing', score: 80, lastEventMs: NOW },
  ...over,
});

describe('the risk of a principal', () => {
  it('is the score of its gravest finding, and falls to nothing within an hour', () => {
    expect(riskOf([finding({ score: 50 }), finding()], NOW)).toEqual({ billing: 80 });
    expect(riskOf([finding()], NOW + HOUR / 2)).toEqual({ billing: 40 });
    expect(riskOf([finding()], NOW + HOUR)).toEqual({});
    expect(riskOf([finding()], NOW + 30 * HOUR)).toEqual({});
  });

  it('is not raised by what somebody did on purpose: who sets a kill switch is no risk for it', () => {
    for (const kind of FINDING_KINDS.filter((other) => !BEHAVIOUR.includes(other)))
      expect(riskOf([finding({ kind })], NOW)).toEqual({});
  });

  it('is always a message that its readers take, whatever findings there are', () => {
    const findings = fc.array(
      fc.record({
        kind: fc.constantFrom(...FINDING_KINDS),
        principal: fc.integer({ max: 3_000, min: 0 }).map((n) => `p-${String(n)}`),
        score: fc.integer({ min: 0, max: 100 }),
        lastEventMs: fc.integer({ min: NOW - 2 * HOUR, max: NOW + HOUR }),
      }),
    );
    fc.assert(
      fc.property(findings, (list) => {
        const message = { v: 1, meshId: 'm', at: new Date(NOW).toISOString(), scores: riskOf(list, NOW) };
        expect(riskScores.safeParse(message).success).toBe(true);
      }),
    );
    const many = Array.from({ length: MAX_RISK_SCORES + 500 }, (_, n) =>
      finding({ principal: `p-${String(n)}` }),
    );
    expect(Object.keys(riskOf(many, NOW))).toHaveLength(MAX_RISK_SCORES);
  });
});
