import { listFindings, type ReplyOf, type RequestOf } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { Rpc } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import type { makeListFindings } from '../operations/list-findings.js';

export const LIST_FINDINGS = Symbol('anomaly-detector.list-findings');

@Controller()
export class FindingController {
  constructor(@Inject(LIST_FINDINGS) private readonly operation: ReturnType<typeof makeListFindings>) {}

  @Rpc(listFindings)
  listFindings(request: RequestOf<typeof listFindings>, call: Call): Promise<ReplyOf<typeof listFindings>> {
    return this.operation(request, call);
  }
}
