import { inStore } from '@keymesh/postgres';
import { observeBreakGlass } from '../break-glass-metrics.js';
import { tellingInForce } from '../domain/in-force.js';
import { makeCloseBreakGlass } from '../operations/close-break-glass.js';
import { makeListBreakGlass } from '../operations/list-break-glass.js';
import { makeOpenBreakGlass } from '../operations/open-break-glass.js';
import { makeReviewBreakGlass } from '../operations/review-break-glass.js';
import { listNotes } from '../store/approval-rows.js';
import type { BreakGlassOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** What somebody may do for a while without being asked, and has to answer for. */
export function breakGlassOperations(ports: PolicyPorts): BreakGlassOperations {
  observeBreakGlass(ports.kit.metrics.registry, ports.book, ports.clock);
  const told = tellingInForce(ports);
  return {
    openBreakGlass: told(makeOpenBreakGlass(ports)),
    closeBreakGlass: told(makeCloseBreakGlass(ports)),
    reviewBreakGlass: told(makeReviewBreakGlass(ports)),
    listBreakGlass: makeListBreakGlass({
      ...ports,
      listNotes: () => inStore(() => listNotes(ports.kit.dataSource.manager)),
    }),
  };
}
