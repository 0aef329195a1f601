import type { StatementOf } from '@keymesh/contracts';
import type { FoldState } from './fold-state.js';
import { rejected } from './statements.js';

/** The credential policy that operators wrote. */
export interface WrittenCredentialPolicy {
  /** JSON text. What of it is understood is for the reader: what is valid may grow, the fold may not change. */
  readonly document: string;
  readonly statementId: string;
  readonly setBy: string;
  readonly setAt: string;
}

/** Writes the credential policy or takes it back. @throws STATEMENT_REJECTED */
export function setCredentialPolicy(state: FoldState, statement: StatementOf<'credential-policy.set'>): void {
  const { document, basedOn, statementId, issuer: setBy, issuedAt: setAt } = statement;
  const now = state.credentialPolicy.get(THE_ONE);
  if ((now?.statementId ?? null) !== basedOn)
    throw rejected('the credential policy is not the one that its signer saw; look again');
  if (document === null && now === undefined) throw rejected('there is no credential policy to remove');
  if (document === null) state.credentialPolicy.delete(THE_ONE);
  else state.credentialPolicy.set(THE_ONE, { document, statementId, setBy, setAt });
}

/** There is one for the whole mesh: its namespaces and types are inside. */
export const THE_ONE = '';
