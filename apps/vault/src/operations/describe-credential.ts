import type { describeCredential } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { toMetadata } from '../domain/credential.js';
import type { DeletedCredentials, MetadataIndex } from '../domain/ports.js';
import { askedOf, findAlsoDeleted, permitLookup } from './permit.js';

export interface DescribeCredentialPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'findByName' | 'findById'>;
  readonly deleted: Pick<DeletedCredentials, 'findById'>;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
}

/**
 * Tells all but the value; by id also of a deleted one.
 * @throws CREDENTIAL_NOT_FOUND (missing and denied alike), STORE_UNAVAILABLE, AUDIT_UNAVAILABLE
 */
export function makeDescribeCredential(ports: DescribeCredentialPorts): Handler<typeof describeCredential> {
  const { audited, askPolicy, clock } = ports;
  return audited<typeof describeCredential>('credential.described', async (request, call, attempt) => {
    const asked = askedOf(request);
    if ('name' in asked) attempt.named(asked.name);
    const lookup = await findAlsoDeleted(ports, asked);
    const credential = permitLookup(
      { askPolicy, call, attempt, nowMs: clock.now() },
      'describe',
      asked,
      lookup,
    );
    attempt.named(credential.name);
    await attempt.succeeded();
    return toMetadata(credential, clock.now());
  });
}
