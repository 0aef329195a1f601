import { failure, type ErrorCode } from '@keymesh/contracts';
import type { KeymeshError } from '@keymesh/kernel';
import { errors } from '@nats-io/nats-core';

/** Maps what `connect` throws. INVARIANT: NATS' texts stay inside as the cause. */
export function translateConnectError(error: unknown): KeymeshError<ErrorCode> {
  const isRefused =
    error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;
  if (isRefused) {
    return failure('DENIED', {
      publicMessage:
        'The mesh does not accept this identity: unknown, disabled, or enrolled elsewhere; or its policy service is away.',
      cause: error,
    });
  }
  const tlsMessage = tlsProblem(error);
  if (tlsMessage !== undefined) return failure('CONFIG_INVALID', { publicMessage: tlsMessage, cause: error });
  if (error instanceof errors.TimeoutError)
    return failure('MESH_NOT_RUNNING', {
      publicMessage:
        'The NATS server did not let us in within 5 seconds: it cannot be reached, it wants another client certificate, or the policy service, which it asks who may come in, does not answer. Try again; on the mesh’s host see `keymesh status`.',
      cause: error,
    });
  return failure('MESH_NOT_RUNNING', { cause: error });
}

/** Node's codes of certificates and handshakes, SOURCE: nodejs.org/api/tls.html, X509 certificate error codes. */
const CERTIFICATE_CODE = /CERT|SELF_SIGNED|UNABLE_TO_|INVALID_CA|HOSTNAME_MISMATCH/;
const HANDSHAKE_CODE = /^(?:ERR_(?:SSL|TLS|OSSL)_|EPROTO$)/;

/** What is wrong with the server's TLS, or with ours; undefined when something else is. */
function tlsProblem(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, message, cause } = error as Readonly<Record<string, unknown>>;
  if (message === "server does not support 'tls'")
    return 'The NATS server offers no TLS, and its address (tls://) or the files for TLS ask for it. Check which server it is.';
  if (CERTIFICATE_CODE.test(String(code)))
    return 'The certificate of the NATS server does not hold here: another authority, another name, or not valid now. Check the authority’s file, and the host of the address.';
  if (HANDSHAKE_CODE.test(String(code)))
    return 'The NATS server and this client agree on no TLS. Check the certificate and the key that are given to it, and whether it asks for one.';
  return tlsProblem(cause);
}

/** Whether nobody listens on the subject: the request was certainly not received. */
export const isNoResponders = (error: unknown): boolean =>
  error instanceof errors.NoRespondersError ||
  (error instanceof errors.RequestError && error.isNoResponders());

/** Maps what a request throws: nobody there, too late, or the connection is gone. */
export function translateRequestError(error: unknown): KeymeshError<ErrorCode> {
  if (isNoResponders(error)) return failure('UNAVAILABLE', { cause: error });
  if (error instanceof errors.TimeoutError) return failure('DEADLINE_EXCEEDED', { cause: error });
  if (error instanceof errors.RequestError && error.cause !== undefined && error.cause !== error) {
    return translateRequestError(error.cause);
  }
  if (error instanceof errors.PermissionViolationError) return failure('DENIED', { cause: error });
  return failure('UNAVAILABLE', { cause: error });
}
