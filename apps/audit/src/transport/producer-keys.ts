import type { KeyObject } from 'node:crypto';
import { failure, servicePrincipal, SERVICES, type ServiceName } from '@keymesh/contracts';
import { verifyingKeyOf } from '@keymesh/kernel';
import type { CurrentPolicy, PolicyHolder } from '@keymesh/service-kit';

/** @throws POLICY_UNAVAILABLE before the first bundle: then no signature can be checked. */
export type ProducerKeys = (service: ServiceName) => readonly KeyObject[];

/**
 * The keys that sign the services' journal packs, as the policy directory names them. A service that was disabled keeps them here:
 * what it has signed is evidence.
 */
export function makeProducerKeys(policy: Pick<PolicyHolder, 'onChange'>): ProducerKeys {
  let keys: ReadonlyMap<ServiceName, readonly KeyObject[]> | undefined;
  policy.onChange(({ directory }) => {
    keys = new Map(SERVICES.map((service) => [service, keysIn(directory, service)]));
  });
  return (service) => {
    if (keys === undefined) throw failure('POLICY_UNAVAILABLE');
    return keys.get(service) ?? [];
  };
}

const keysIn = (directory: CurrentPolicy['directory'], service: ServiceName): KeyObject[] =>
  (directory.find(servicePrincipal(service))?.channelKeys ?? []).flatMap(
    (text) => verifyingKeyOf(text) ?? [],
  );
