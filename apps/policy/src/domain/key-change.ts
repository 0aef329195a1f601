import { failure, type StatementOf } from '@keymesh/contracts';
import { DAY, type Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import type { Access } from '@keymesh/service-kit';
import { authorize, contentOf, type OperationPorts } from './authorize.js';
import type { PolicyState } from './ports.js';

export type KeyChange = StatementOf<'principal.keys-added' | 'principal.keys-removed'>;

/** Statements are kept for ever and carried by every bundle, so nobody but an operator makes as many as it likes. */
const OWN_PER_DAY = 16;

/**
 * A principal changes its own keys by right of having one, which the fold checks; somebody else's keys take `principal.write`.
 * @returns the decision, for the record; undefined where none was needed. @throws DENIED
 */
export const authorizeKeyChange = (
  ports: OperationPorts,
  call: Call,
  change: KeyChange,
): Promise<Access | undefined> =>
  change.principal === call.principal
    ? Promise.resolve(undefined)
    : authorize(ports, call, {
        ...{ action: 'principal.write', type: change.type, subject: change.principal },
        content: contentOf(change),
      });

/** @throws STATEMENT_REJECTED for one too many, DENIED for a principal that anything was taken from. */
export function checkOwnChange(
  { directory }: PolicyState,
  { principal, issuer }: KeyChange,
  clock: Clock,
): void {
  if (principal !== issuer) return;
  const entry = directory.find(principal);
  if (entry?.status !== 'active') throw failure('DENIED');
  const since = clock.now() - DAY;
  const own = directory
    .historyOf(principal)
    .filter(
      (said) =>
        said.issuer === principal &&
        (said.type === 'principal.keys-added' || said.type === 'principal.keys-removed') &&
        Date.parse(said.issuedAt) > since,
    );
  if (own.length >= OWN_PER_DAY && !entry.roles.includes('operator'))
    throw failure('STATEMENT_REJECTED', {
      publicMessage: 'The keys of this principal changed too often today. Try tomorrow, or ask an operator.',
    });
}
