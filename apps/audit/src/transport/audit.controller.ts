import {
  findDecision,
  getCheckpoint,
  listAuditEvents,
  listDecisions,
  proveConsistency,
  proveInclusion,
  type ReplyOf,
  type RequestOf,
} from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { Rpc } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import type { AuditOperations } from '../audit-log.js';
import { AUDIT_OPERATIONS } from './tokens.js';

/** The operations of the audit log on the bus. */
@Controller()
export class AuditController {
  constructor(@Inject(AUDIT_OPERATIONS) private readonly operations: AuditOperations) {}

  @Rpc(listAuditEvents)
  listAuditEvents(
    request: RequestOf<typeof listAuditEvents>,
    call: Call,
  ): Promise<ReplyOf<typeof listAuditEvents>> {
    return this.operations.listAuditEvents(request, call);
  }

  @Rpc(listDecisions)
  listDecisions(
    request: RequestOf<typeof listDecisions>,
    call: Call,
  ): Promise<ReplyOf<typeof listDecisions>> {
    return this.operations.listDecisions(request, call);
  }

  @Rpc(findDecision)
  findDecision(request: RequestOf<typeof findDecision>, call: Call): Promise<ReplyOf<typeof findDecision>> {
    return this.operations.findDecision(request, call);
  }

  @Rpc(getCheckpoint)
  getCheckpoint(
    request: RequestOf<typeof getCheckpoint>,
    call: Call,
  ): Promise<ReplyOf<typeof getCheckpoint>> {
    return this.operations.getCheckpoint(request, call);
  }

  @Rpc(proveInclusion)
  proveInclusion(
    request: RequestOf<typeof proveInclusion>,
    call: Call,
  ): Promise<ReplyOf<typeof proveInclusion>> {
    return this.operations.proveInclusion(request, call);
  }

  @Rpc(proveConsistency)
  proveConsistency(
    request: RequestOf<typeof proveConsistency>,
    call: Call,
  ): Promise<ReplyOf<typeof proveConsistency>> {
    return this.operations.proveConsistency(request, call);
  }
}
