import { KeymeshError, type KeymeshErrorOptions } from '@keymesh/kernel';
import type { ApprovableRequest } from './approval-statements.js';
import { ERROR_CATALOGUE, isErrorCode, type ErrorCode } from './error-catalogue.js';

/** Makes a failure with a code of the catalogue. The only way that services throw. */
export const failure = (code: ErrorCode, options?: KeymeshErrorOptions): KeymeshError<ErrorCode> =>
  new KeymeshError(code, options);

/** What leaves the process of any thrown thing: its code and public sentence, or INTERNAL. Never its text otherwise. */
export interface PublicError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  /** Finds the request in traces and logs; set at the edge. */
  readonly traceId?: string;
  /** Data of a refusal, e.g. strength findings. Never a value. */
  readonly findings?: readonly {
    readonly rule: string;
    readonly severity: 'error' | 'warning';
    readonly advice: string;
  }[];
  /** What would turn an APPROVAL_REQUIRED: so many approvals of exactly the request of this digest. */
  readonly approvals?: {
    readonly needed: number;
    readonly given: number;
    readonly requestDigest: string;
    /** What was asked, as it is to be approved. */
    readonly request?: ApprovableRequest;
    /** RFC 8785 JSON that the request's `contentHash` is of. */
    readonly content?: string;
  };
}

/** Maps anything thrown to what may be told. */
export function toPublicError(error: unknown): PublicError {
  const code: ErrorCode = KeymeshError.is(error) && isErrorCode(error.code) ? error.code : 'INTERNAL';
  const known = KeymeshError.is(error) && code !== 'INTERNAL' ? error : undefined;
  const { message, retryable } = ERROR_CATALOGUE[code];
  const findings = known?.details.findings as PublicError['findings'];
  const approvals = known?.details.approvals as PublicError['approvals'];
  return {
    code,
    message: known?.publicMessage ?? message,
    retryable: known?.retryable ?? retryable,
    ...(findings === undefined ? {} : { findings }),
    ...(approvals === undefined ? {} : { approvals }),
  };
}
