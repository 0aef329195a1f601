import type { describeCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toMetadata } from '../domain/credential.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { permitLookup } from './permit.js';

export interface DescribeCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName'>;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
}

/** Tells all but the value. @throws CREDENTIAL_NOT_FOUND (missing and denied alike), STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeDescribeCredential({
  audited,
  index,
  askPolicy,
  clock,
}: DescribeCredentialPorts): Handler<typeof describeCredential> {
  return audited<typeof describeCredential>('credential.described', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    const lookup = await index.findByName(name);
    const credential = permitLookup(
      { askPolicy, call, attempt, nowMs: clock.now() },
      'describe',
      { name },
      lookup,
    );
    await attempt.succeeded();
    return toMetadata(credential, clock.now());
  });
}
