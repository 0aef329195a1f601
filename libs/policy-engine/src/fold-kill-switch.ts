import type { StatementOf } from '@keymesh/contracts';
import type { FoldState } from './fold-state.js';
import { rejected } from './statements.js';

/**
 * Makes a kill switch void, for ever. The list of statements knows none: they are in the bundle, because taking away takes no operator.
 * @throws STATEMENT_REJECTED
 */
export function liftKillSwitch(state: FoldState, statement: StatementOf<'kill-switch.lifted'>): void {
  const { killId, issuer: by, issuedAt: at } = statement;
  if (state.lifted.has(killId)) throw rejected('this kill switch was lifted already');
  state.lifted.set(killId, { by, at });
}
