import { toPublicError } from '@keymesh/contracts';
import { MINUTE } from '@keymesh/kernel';
import type { Logger } from '@keymesh/service-kit';
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
  const verifyToken = makeVerifyToken({ fetchJson, clock, onUnavailable: tellUnavailable(kit.logger) });
  return {
    openSession: told(
      makeOpenSession({
        ...ports,
        openRequest: makeOpenRequest({ meshId, privateKey, clock }),
        guesses: makeFailedAttempts({ clock, longestMs: MINUTE }),
        proveIdentity: makeProveIdentity({ verifyToken, clock }),
      }),
    ),
    closeSession: told(makeCloseSession(ports)),
    setIdentityRule: told(makeSetIdentityRule(ports)),
    listIdentityRules: makeListIdentityRules(ports),
  };
}

/** An issuer is an operator's to mend: the log says which one and what is wrong, and nothing of what it answered. */
const tellUnavailable =
  (logger: Pick<Logger, 'warn'>) =>
  (issuer: string, error: unknown): void =>
    logger.warn(
      { issuer, err: error },
      `keys of an issuer could not be fetched: ${toPublicError(error).message}`,
    );
