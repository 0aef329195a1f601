import { tellingInForce } from '../domain/in-force.js';
import { makeAddPrincipalKeys } from '../operations/add-principal-keys.js';
import { makeCreatePrincipal } from '../operations/create-principal.js';
import { makeDescribePrincipal } from '../operations/describe-principal.js';
import { makeDisablePrincipal } from '../operations/disable-principal.js';
import { makeEnablePrincipal } from '../operations/enable-principal.js';
import { makeEnrolPrincipal } from '../operations/enrol-principal.js';
import { makeListPrincipals } from '../operations/list-principals.js';
import { makeLockPrincipal } from '../operations/lock-principal.js';
import { makeRemovePrincipalKeys } from '../operations/remove-principal-keys.js';
import { makeSetPrincipalAttributes } from '../operations/set-principal-attributes.js';
import { makeSetPrincipalRoles } from '../operations/set-principal-roles.js';
import { makeUnlockPrincipal } from '../operations/unlock-principal.js';
import type { PrincipalOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** Who is who. */
export function principalOperations(ports: PolicyPorts): PrincipalOperations {
  const { meshId, meshPublicKey } = ports.kit.config.trustRoot;
  const told = tellingInForce(ports);
  return {
    createPrincipal: makeCreatePrincipal(ports),
    enrolPrincipal: makeEnrolPrincipal({
      ...ports,
      mesh: { meshId, meshPublicKey },
      closeTokenConnections: closingTokenConnections(ports),
    }),
    listPrincipals: makeListPrincipals(ports),
    disablePrincipal: told(makeDisablePrincipal(ports)),
    enablePrincipal: told(makeEnablePrincipal(ports)),
    lockPrincipal: makeLockPrincipal(ports),
    unlockPrincipal: makeUnlockPrincipal(ports),
    describePrincipal: makeDescribePrincipal(ports),
    setPrincipalRoles: told(makeSetPrincipalRoles(ports)),
    setPrincipalAttributes: told(makeSetPrincipalAttributes(ports)),
    addPrincipalKeys: makeAddPrincipalKeys(ports),
    removePrincipalKeys: told(makeRemovePrincipalKeys(ports)),
  };
}

/** The answer leaves before its connection is closed. */
const ANSWER_MS = 250;

/** Its own keys' connections stay: only those of a token go. */
function closingTokenConnections({ kit, book, cutRemovedKeys }: PolicyPorts): (principal: string) => void {
  const timers = new Set<NodeJS.Timeout>();
  kit.onShutdown('closing of token connections', () => timers.forEach(clearTimeout));
  return (principal) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      void cutRemovedKeys(principal, book.current().directory.find(principal)?.nkeys ?? []);
    }, ANSWER_MS);
    timers.add(timer);
  };
}
