import { MINUTE } from '@keymesh/kernel';
import { makeFailedAttempts } from '@keymesh/mesh';
import { tellingInForce } from '../domain/in-force.js';
import { fetchJson } from '../identity/fetch-json.js';
import { makeOpenRequest } from '../identity/open-request.js';
import { makeProveIdentity } from '../identity/prove-identity.js';
import { makeVerifyToken } from '../identity/verify-token.js';
import { makeCloseSession } from '../operations/close-session.js';
import { makeListIdentityRules } from '../operations/list-identity-rules.js';
import { makeOpenSession } from '../operations/open-session.js';
import { makeSetIdentityRule } from '../operations/set-identity-rule.js';
import type { SessionOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** Other proofs of identity, and the keys that they are exchanged for. */
export function sessionOperations(ports: PolicyPorts): SessionOperations {
  const { kit, clock } = ports;
  const { meshId } = kit.config.trustRoot;
  const told = tellingInForce(ports);
  const privateKey = (keyId: string) => kit.channelKeys.privateKey(keyId);
  return {
    openSession: told(
      makeOpenSession({
        ...ports,
        openRequest: makeOpenRequest({ meshId, privateKey, clock }),
        guesses: makeFailedAttempts({ clock, longestMs: MINUTE }),
        proveIdentity: makeProveIdentity({ verifyToken: makeVerifyToken({ fetchJson, clock }), clock }),
      }),
    ),
    closeSession: told(makeCloseSession(ports)),
    setIdentityRule: told(makeSetIdentityRule(ports)),
    listIdentityRules: makeListIdentityRules(ports),
  };
}
