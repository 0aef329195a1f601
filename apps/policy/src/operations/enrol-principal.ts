import {
  failure,
  type enrolPrincipal,
  type ErrorCode,
  type ReplyOf,
  type StatementOf,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { readStatement } from '@keymesh/policy-engine';
import { requestKey, type OperationPorts } from '../domain/authorize.js';
import type { ConnectionAttempts } from '../domain/failed-attempts.js';
import type { Change, PolicyState } from '../domain/ports.js';

type Completed = StatementOf<'enrolment.completed'>;

export interface EnrolPorts extends OperationPorts {
  readonly mesh: Pick<ReplyOf<typeof enrolPrincipal>, 'meshId' | 'meshPublicKey'>;
  readonly attempts: Pick<ConnectionAttempts, 'tokenFailed'>;
  /** Closes the connections of a principal's token, once the answer is out. */
  readonly closeTokenConnections: (principal: string) => void;
}

/**
 * The bearer of a token names its keys. Without a channel: the statement proves itself by the token's signature, and the answer is
 * checked by the client against the hash in its token. The same keys again get the same answer.
 */
export const makeEnrolPrincipal =
  (ports: EnrolPorts): Handler<typeof enrolPrincipal> =>
  async ({ statement: text }, call) => {
    const { book, makeRecord, mesh } = ports;
    try {
      const statement = readCompletion(text, call);
      const { principal } = statement;
      return await book.change(requestKey(call), (state) => {
        const reply = (bundleVersion: number) => ({ principal, ...mesh, bundleVersion });
        if (isEnrolledWith(state, statement)) return { records: [], reply };
        const change = complete(state, text, statement);
        const record = makeRecord('principal.enrolled', 'success', {
          call,
          subject: principal,
          facts: { nkey: statement.nkey, channelKey: statement.channelKey },
        });
        return { change, records: [{ record }], reply };
      });
    } catch (error) {
      throw await refused(ports, call, error);
    }
  };

function readCompletion(text: string, call: Call): Completed {
  const { statement } = readStatement(text);
  // INVARIANT: the broker lets a connection ask only under its own principal, and a token's connection only this.
  if (statement.type !== 'enrolment.completed' || statement.principal !== call.principal)
    throw failure('ENROLMENT_REJECTED');
  return statement;
}

const isEnrolledWith = ({ directory }: PolicyState, { principal, nkey, channelKey }: Completed): boolean => {
  const entry = directory.find(principal);
  return entry?.status === 'active' && entry.nkeys.includes(nkey) && entry.channelKeys.includes(channelKey);
};

function complete({ directory }: PolicyState, text: string, statement: Completed): Change {
  const open = directory.enrolmentOf(statement.principal);
  // By our clock and takings too: the fold only knows the time that the token's bearer wrote.
  const isOpen = open !== undefined && directory.findEnrolment(open.tokenNkey) !== undefined;
  if (!isOpen) throw failure('ENROLMENT_REJECTED');
  directory.extend([text]);
  return { statements: [text] };
}

/** Why exactly is for the log; the bearer of a bad token learns one thing only. It counts, and ends its connection. */
async function refused(
  { book, refusals, makeRecord, attempts, closeTokenConnections }: EnrolPorts,
  call: Call,
  error: unknown,
): Promise<unknown> {
  const code = KeymeshError.is(error) ? error.code : undefined;
  if (code !== 'STATEMENT_REJECTED' && code !== 'ENROLMENT_REJECTED') return error;
  const told: ErrorCode = 'ENROLMENT_REJECTED';
  await refusals.note(`${call.principal} principal.enrolled`, (summed) => ({
    record: makeRecord('principal.enrolled', 'denied', {
      call,
      subject: call.principal,
      code: told,
      ...(summed === 0 ? {} : { facts: { summed } }),
    }),
  }));
  const open = book.current().directory.enrolmentOf(call.principal);
  if (open !== undefined) await attempts.tokenFailed(open.tokenNkey, call.principal);
  closeTokenConnections(call.principal);
  return failure(told, { cause: error });
}
