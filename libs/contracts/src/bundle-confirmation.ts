import { z } from 'zod';
import { SERVICES } from './identity.js';

/**
 * What an instance of a service says of itself when it decides by another bundle, and now and then: core NATS, signed by the service's key.
 * The broker can hold it back but not make one, and one that is played again says what was so.
 */
export const bundleConfirmation = z.strictObject({
  v: z.literal(1),
  meshId: z.string(),
  service: z.enum(SERVICES),
  instance: z.string().max(128),
  /** Of this process alone, random. */ run: z.string().max(32),
  /** It decides by this bundle or a newer one. */ bundleVersion: z.int().min(1),
});
export type BundleConfirmation = z.output<typeof bundleConfirmation>;

/** Where a change is in force when its reply goes out. */
export const inForce = z.strictObject({
  /** Instances of services that have said that they decide by it. */ instances: z.int(),
  /** Milliseconds from the request for the change until the last of them said so. */ withinMs: z.int(),
  /** Those: `<service>/<instance>`. */ confirmed: z.array(z.string()),
  /** `<service>/<instance>` of those that were there lately and did not say so within a second. */ unconfirmed:
    z.array(z.string()),
});
export type InForce = z.output<typeof inForce>;
