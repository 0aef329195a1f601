import { describe, expect, it } from '@jest/globals';
import { expectCode } from '@keymesh/testing';
import fc from 'fast-check';
import { aCredential } from '../../test/a-credential.js';
import { draftLease, expiryOf, refuseEnded, refuseUnusable, stateOf, type LeaseLimits } from './leases.js';

const limits: LeaseLimits = { defaultTtlSeconds: 60, maxTtlSeconds: 600, maxPerPrincipal: 5 };
const parties = {
  leaseId: '018f0000-0000-7000-8000-0000000000cc',
  principal: 'alice',
  credentialId: aCredential().credentialId,
  version: 1,
  kind: 'value' as const,
};

describe('a lease', () => {
  it('never lives past its last moment, whatever is asked and however often it is renewed', () => {
    const times = fc.array(
      fc.record({ waitMs: fc.nat(400_000), ttl: fc.option(fc.integer({ min: 1, max: 10_000 })) }),
    );
    fc.assert(
      fc.property(fc.option(fc.integer({ min: 1, max: 10_000 })), times, (ttl, renewals) => {
        const lease = draftLease(parties, 1_000, ttl ?? undefined, limits);
        expect(lease.maxExpiresAtMs).toBe(601_000);
        expect(lease.expiresAtMs).toBeLessThanOrEqual(lease.maxExpiresAtMs);
        let nowMs = 1_000;
        for (const { waitMs, ttl: next } of renewals) {
          nowMs += waitMs;
          const expiresAtMs = expiryOf(nowMs, next ?? undefined, limits, lease.maxExpiresAtMs);
          expect(expiresAtMs).toBeLessThanOrEqual(lease.maxExpiresAtMs);
          if (nowMs >= lease.maxExpiresAtMs)
            expect(stateOf({ ...lease, expiresAtMs }, nowMs)).toBe('expired');
        }
      }),
    );
  });

  it('has ended as soon as somebody said so, or its time is over', () => {
    const lease = draftLease(parties, 0, 10, limits);
    expect(stateOf(lease, 9_999)).toBe('live');
    expect(stateOf(lease, 10_000)).toBe('expired');
    expect(stateOf({ ...lease, end: 'revoked', endedAtMs: 1 }, 1)).toBe('revoked');
  });

  it('is of a version that is in use, and of a credential that may be used', async () => {
    const lease = draftLease(parties, 0, 10, limits);
    const check = (more: Parameters<typeof aCredential>[0]) =>
      Promise.resolve().then(() => refuseEnded(lease, aCredential(more), 1));
    await check({ currentVersion: 2, previousVersion: 1 });
    await expectCode(check({ currentVersion: 3, previousVersion: 2 }), 'LEASE_EXPIRED');
    await expectCode(check({ currentVersion: 2, pendingVersion: 1 }), 'LEASE_EXPIRED');
    const use = (more: Parameters<typeof aCredential>[0]) =>
      Promise.resolve().then(() => refuseUnusable(aCredential(more), 1));
    await use({});
    await expectCode(use({ status: 'inactive' }), 'CREDENTIAL_INACTIVE');
    await expectCode(use({ expiresAtMs: 1 }), 'CREDENTIAL_EXPIRED');
  });
});
