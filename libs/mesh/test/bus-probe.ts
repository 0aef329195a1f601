import { errors, type NatsConnection } from '@nats-io/nats-core';

/** Tries one thing on the bus and says whether the server allowed it. */
export interface BusProbe {
  mayPublish(subject: string): Promise<boolean>;
  maySubscribe(subject: string): Promise<boolean>;
  stop(): void;
}

/** Permission violations reach a client as status events only, so they are collected here. */
export function makeBusProbe(nats: NatsConnection): BusProbe {
  const refused = { publish: new Set<string>(), subscription: new Set<string>() };
  const statuses = nats.status();
  void (async () => {
    for await (const status of statuses) {
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) {
        refused[status.error.operation].add(status.error.subject);
      }
    }
  })();
  const settled = async (): Promise<void> => {
    // The server answers in order: whatever it had to say about what went before is here when the flush is.
    await nats.flush();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    async mayPublish(subject) {
      refused.publish.delete(subject);
      nats.publish(subject, 'probe');
      await settled();
      return !refused.publish.has(subject);
    },
    async maySubscribe(subject) {
      refused.subscription.delete(subject);
      const subscription = nats.subscribe(subject, { callback: () => undefined });
      await settled();
      if (!subscription.isClosed()) subscription.unsubscribe();
      return !refused.subscription.has(subject);
    },
    stop: () => (statuses as unknown as { stop(): void }).stop(),
  };
}
