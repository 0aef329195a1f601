import { commitName, makeSalt } from '@keymesh/crypto';
import {
  toPublicError,
  type AuditRecord,
  type Beside,
  type ErrorCode,
  type ReplyOf,
  type RequestOf,
  type RpcContract,
} from '@keymesh/contracts';
import { toBase64Url, type Clock, type KeymeshError } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { approvalFacts, recordedDecision } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';
import type { Access } from './access.js';
import type { Credential } from './credential.js';
import type { RecordDurably } from './ports.js';

type Facts = NonNullable<AuditRecord['facts']>;
type Resource = NonNullable<AuditRecord['resource']>;

/** A record and what stands beside it. */
export interface Written {
  readonly record: AuditRecord;
  readonly beside: Beside | undefined;
}

/** What is known of one request so far, for the record that it leaves whatever comes of it. */
export interface Attempt {
  /** The name that was asked for. */
  named(name: string): void;
  about(credential: Pick<Credential, 'credentialId' | 'revision'>, version?: number): void;
  concerns(kind: string, id: string): void;
  decided(access: Access): void;
  note(facts: Facts): void;
  /** The record of a success, for a mutation's own transaction. May be asked for again when that runs again. */
  success(): Written;
  /** Makes the success durable; nothing may be released before it resolves. @throws AUDIT_UNAVAILABLE */
  succeeded(): Promise<void>;
  /** A denial: the record says so and why, the failure (which may say something else) is what the asker gets. */
  denied(failure: KeymeshError): KeymeshError;
}

/** An attempt that its beginner also ends: of one item among many, each with a record of its own. */
export interface OwnAttempt extends Attempt {
  /** The record of a failure (or denial), for a mutation's own transaction. */
  failure(code: ErrorCode): Written;
  /** Makes the failure (or denial) durable. @throws AUDIT_UNAVAILABLE */
  failed(code: ErrorCode): Promise<void>;
}
export type BeginAttempt = (type: `${string}.${string}`, call: Call) => OwnAttempt;

export interface AuditTrailOptions {
  readonly instance: string;
  readonly clock: Clock;
  readonly recordDurably: RecordDurably;
}

/** Every operation's way through the audit: `audited('credential.retrieved', async (request, call, attempt) => …)`. */
export type Audited = <C extends RpcContract>(
  type: `${string}.${string}`,
  operation: (request: RequestOf<C>, call: Call, attempt: Attempt) => Promise<ReplyOf<C>>,
) => Handler<C>;

/**
 * Wraps an operation so that a failure or denial is durably recorded before it is answered, as a success is by the operation itself.
 * INVARIANT: a refusal waits for the journal exactly as a release does, so that time does not tell denied from missing either.
 */
export function makeAudited(options: AuditTrailOptions): Audited {
  return (type, operation) => async (request, call) => {
    const attempt = makeAttempt(type, call, options);
    try {
      return await operation(request, call, attempt);
    } catch (error) {
      const { code } = toPublicError(error);
      // The journal has just said that it cannot; asking again would not make a record.
      if (code !== 'AUDIT_UNAVAILABLE') await attempt.failed(code);
      throw error;
    }
  };
}

/** For operations on many things, which leave a record for each of them. */
export const makeBeginAttempt =
  (options: AuditTrailOptions): BeginAttempt =>
  (type, call) =>
    makeAttempt(type, call, options);

function makeAttempt(
  type: string,
  call: Call,
  { instance, clock, recordDurably }: AuditTrailOptions,
): OwnAttempt {
  let name: string | undefined;
  let resource: Resource | undefined;
  let access: Access | undefined;
  let facts: Facts | undefined;
  let denial = false;

  const write = (outcome: AuditRecord['outcome'], code?: ErrorCode): Written => {
    const commitment = name === undefined ? undefined : commitToName(name);
    return {
      record: {
        v: 1,
        id: makeRecordId(),
        time: new Date(clock.now()).toISOString(),
        type,
        service: 'vault',
        instance,
        outcome,
        ...(code === undefined ? {} : { code }),
        ...callerOf(call),
        ...aboutOf(resource, commitment?.digest),
        ...(access === undefined ? {} : { decision: recordedDecision(access) }),
        ...(facts === undefined ? {} : { facts }),
      },
      beside: commitment?.beside,
    };
  };
  const failed = (code: ErrorCode): Written => (denial ? write('denied', 'DENIED') : write('failure', code));
  const journal = async ({ record, beside }: Written): Promise<void> =>
    recordDurably(record, beside, call.deadlineAt);

  return {
    named: (asked: string) => void (name = asked),
    about: (
      { credentialId: id, revision }: Pick<Credential, 'credentialId' | 'revision'>,
      version?: number,
    ) =>
      void (resource = { kind: 'credential', id, revision, ...(version === undefined ? {} : { version }) }),
    concerns: (kind: string, id: string) => void (resource = { kind, id }),
    decided(asked: Access) {
      access = asked;
      // Counted in the decision's context; here, who gave them.
      if (asked.approvals.length > 0) facts = { ...facts, ...approvalFacts(asked) };
    },
    note: (more: Facts) => void (facts = { ...facts, ...more }),
    success: () => write('success'),
    succeeded: () => journal(write('success')),
    denied: (answer: KeymeshError) => {
      denial = true;
      return answer;
    },
    failure: failed,
    failed: (code: ErrorCode) => journal(failed(code)),
  };
}

const callerOf = ({ principal, sessionId, requestId, traceparent }: Call) => ({
  principal,
  ...(sessionId === undefined ? {} : { session: sessionId }),
  requestId,
  ...(traceparent === undefined ? {} : { traceparent }),
});

/** UUIDv7 with its random bits of the pool: the library would ask the generator for each. */
const makeRecordId = (): string => uuidv7({ random: makeSalt(16) });

const aboutOf = (resource: Resource | undefined, nameCommitment: string | undefined) => {
  if (nameCommitment === undefined) return resource === undefined ? {} : { resource };
  return { resource: { ...(resource ?? { kind: 'credential' }), nameCommitment } };
};

/** SHA-256 over salt and name, a fresh salt each time: without what stands beside, the leaf tells nothing of the name. */
export function commitToName(name: string): { digest: string; beside: Beside } {
  const salt = makeSalt(16);
  return { digest: commitName(salt, name), beside: { name, salt: toBase64Url(salt) } };
}
