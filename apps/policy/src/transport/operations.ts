import type {
  createPrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  listPrincipals,
  lockPrincipal,
  unlockPrincipal,
} from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';

/** The operations of this service by the names of their contracts. */
export interface PolicyOperations {
  readonly createPrincipal: Handler<typeof createPrincipal>;
  readonly enrolPrincipal: Handler<typeof enrolPrincipal>;
  readonly listPrincipals: Handler<typeof listPrincipals>;
  readonly disablePrincipal: Handler<typeof disablePrincipal>;
  readonly enablePrincipal: Handler<typeof enablePrincipal>;
  readonly lockPrincipal: Handler<typeof lockPrincipal>;
  readonly unlockPrincipal: Handler<typeof unlockPrincipal>;
}

/** Injects {@link PolicyOperations}. */
export const OPERATIONS = Symbol('keymesh.policy.operations');
