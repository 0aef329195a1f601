import { CONSUMERS, EVENTS, failure, readAuditEvent } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import type { Delivery } from '@keymesh/mesh';
import {
  Consume,
  ConsumeSharedBatches,
  firstPolicy,
  KIT,
  type CurrentPolicy,
  type ServiceKit,
} from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import type { OutboxRelay } from '@keymesh/postgres';
import { forgetDeleted, pushLeaseRevoked, pushPromotion } from '../holders/push-promotion.js';
import { recordHoldings, type Holding } from '../store/holders.js';
import { assertSignedBy, isSignedBy } from './signed-by.js';
import { RELAY } from './tokens.js';

/** Learns from the audit feed who holds which version, and tells holders of new ones. */
@Controller()
export class HolderController {
  constructor(
    @Inject(KIT) private readonly kit: ServiceKit,
    @Inject(RELAY) private readonly relay: OutboxRelay,
  ) {}

  @ConsumeSharedBatches(CONSUMERS.holders, { batchSize: 500, paceMs: 250 })
  async onRetrieved(deliveries: readonly Delivery[]): Promise<void> {
    const policy = await firstPolicy(this.kit.policy);
    const holdings = deliveries
      .map((delivery) => this.readHolding(delivery, policy))
      .filter((holding) => holding !== undefined);
    if (holdings.length > 0) await recordHoldings(this.kit.dataSource, holdings);
  }

  /** @returns undefined for what tells of no holder: another outcome, or a message that the audit service did not make. */
  private readHolding(delivery: Delivery, policy: CurrentPolicy): Holding | undefined {
    const event = isSignedBy('audit', delivery, policy) ? readAuditEvent(delivery.data) : undefined;
    if (event === undefined) {
      this.kit.logger.warn({ streamSequence: delivery.streamSequence }, 'feed message not counted');
      return undefined;
    }
    const { type, outcome, principal, session, resource, time } = event.record;
    if (type !== 'credential.retrieved' || outcome !== 'success' || principal === undefined) return undefined;
    if (resource?.id === undefined || resource.version === undefined) return undefined;
    const { id: credentialId, version } = resource;
    return { credentialId, principal, session: session ?? '', version, seenAt: Date.parse(time) };
  }

  @Consume(CONSUMERS.rotationEvents)
  async onVaultEvent(delivery: Delivery): Promise<void> {
    const { dataSource, logger } = this.kit;
    const policy = await firstPolicy(this.kit.policy);
    assertSignedBy('vault', delivery, policy);
    if (delivery.subject === EVENTS.versionPromoted.subject) {
      const event = EVENTS.versionPromoted.schema.safeParse(parse(delivery));
      if (!event.success) throw failure('MALFORMED_MESSAGE');
      const told = await pushPromotion(dataSource, policy, event.data);
      if (told > 0) this.relay.poke();
      logger.debug({ credentialId: event.data.credentialId, told }, 'holders told of a new version');
    } else if (delivery.subject === EVENTS.credentialDeleted.subject) {
      const event = EVENTS.credentialDeleted.schema.safeParse(parse(delivery));
      if (!event.success) throw failure('MALFORMED_MESSAGE');
      await forgetDeleted(dataSource, event.data);
    } else if (delivery.subject === EVENTS.leaseRevoked.subject) {
      const event = EVENTS.leaseRevoked.schema.safeParse(parse(delivery));
      if (!event.success) throw failure('MALFORMED_MESSAGE');
      await pushLeaseRevoked(dataSource, event.data);
      this.relay.poke();
    }
  }
}

function parse(delivery: Delivery): unknown {
  try {
    return JSON.parse(fromUtf8(delivery.data));
  } catch {
    return undefined; // the schema then refuses it
  }
}
