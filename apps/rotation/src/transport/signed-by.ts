import { failure, HEADERS, servicePrincipal, type ServiceName } from '@keymesh/contracts';
import { isEventSignedBy, type Delivery } from '@keymesh/mesh';
import type { CurrentPolicy } from '@keymesh/service-kit';

/** Whether this service signed the message. The broker is not trusted: it could tell of versions and readers that never were. */
export function isSignedBy(service: ServiceName, delivery: Delivery, { directory }: CurrentPolicy): boolean {
  const producer = directory.find(servicePrincipal(service));
  return isEventSignedBy(producer?.channelKeys ?? [], {
    subject: delivery.subject,
    id: delivery.header(HEADERS.eventId) ?? '',
    bytes: delivery.data,
    signature: delivery.header(HEADERS.signature) ?? '',
  });
}

/** Passes for a message that this service signed. @throws MALFORMED_MESSAGE otherwise, so that it does not come again. */
export function assertSignedBy(service: ServiceName, delivery: Delivery, policy: CurrentPolicy): void {
  if (!isSignedBy(service, delivery, policy))
    throw failure('MALFORMED_MESSAGE', { details: { because: 'not signed by its producer', service } });
}
