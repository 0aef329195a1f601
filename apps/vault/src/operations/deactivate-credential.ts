import type { deactivateCredential } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { makeSetStatus, type SetStatusPorts } from './set-status.js';

/**
 * Hands a credential to nobody until it is activated again: a retrieve is CREDENTIAL_INACTIVE. Once this has answered, no instance reveals it any more.
 * Asked again it changes nothing.
 * @throws CREDENTIAL_NOT_FOUND (missing, or denied to somebody who may not describe it), DENIED, STORE_UNAVAILABLE
 */
export const makeDeactivateCredential = (ports: SetStatusPorts): Handler<typeof deactivateCredential> =>
  makeSetStatus(ports, 'credential.deactivated', 'inactive');
