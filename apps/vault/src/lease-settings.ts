import { integerVariable } from '@keymesh/service-kit/task';
import type { z } from 'zod';
import type { LeaseLimits } from './domain/leases.js';

/** How long leases are, and how many. */
export const leaseVariables = {
  KEYMESH_LEASE_DEFAULT_TTL_SECONDS: integerVariable(1, 86_400 * 366)
    .prefault('3600')
    .describe('How long a lease is when nobody says how long.'),
  KEYMESH_LEASE_MAX_TTL_SECONDS: integerVariable(1, 86_400 * 366)
    .prefault('86400')
    .describe('How long a lease is at most, however often it is renewed.'),
  KEYMESH_LEASE_MAX_PER_PRINCIPAL: integerVariable(1, 1_000_000)
    .prefault('1000')
    .describe('How many live leases one principal may hold.'),
} satisfies z.ZodRawShape;

type Variables = z.output<z.ZodObject<typeof leaseVariables>>;

export const toLeaseLimits = (variables: Variables): LeaseLimits => ({
  defaultTtlSeconds: Math.min(
    variables.KEYMESH_LEASE_DEFAULT_TTL_SECONDS,
    variables.KEYMESH_LEASE_MAX_TTL_SECONDS,
  ),
  maxTtlSeconds: variables.KEYMESH_LEASE_MAX_TTL_SECONDS,
  maxPerPrincipal: variables.KEYMESH_LEASE_MAX_PER_PRINCIPAL,
});
