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
  return failure('MESH_NOT_RUNNING', { cause: error });
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
