import type { StatementOf } from '@keymesh/contracts';
import type { FoldState } from './fold-state.js';
import { rejected } from './statements.js';

/** Policies that a policy writer put into the shadow. Their texts stand beside the statements. */
export interface ShadowGrant {
  /** The statement's id. */
  readonly shadowId: string;
  readonly digest: string;
  readonly setBy: string;
  readonly setAt: string;
}

/** Puts policies into the shadow instead of those that are there, or ends it. @throws STATEMENT_REJECTED */
export function setShadow(state: FoldState, statement: StatementOf<'policy.shadow-set'>): void {
  const { digest, statementId: shadowId, issuer: setBy, issuedAt: setAt } = statement;
  if (digest !== null) state.shadow.set(SHADOW, { shadowId, digest, setBy, setAt });
  else if (!state.shadow.delete(SHADOW)) throw rejected('there is nothing in the shadow to end');
}

/** There is one shadow in a mesh. */
export const SHADOW = 'policies';
