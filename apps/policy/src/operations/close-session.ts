import { failure, type closeSession, type ReplyOf } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorize, requestKey, type OperationPorts } from '../domain/authorize.js';

/** Ends a session: by its own principal, or by whoever may change principals. Nobody's signature: it takes away. */
export const makeCloseSession =
  (ports: OperationPorts): Handler<typeof closeSession> =>
  async ({ principal, nkey }, call) => {
    const { book, makeRecord } = ports;
    const asked = {
      action: 'principal.write',
      type: 'session.closed',
      subject: principal,
      content: { nkey },
    } as const;
    const decision = principal === call.principal ? undefined : await authorize(ports, call, asked);
    return book.change<ReplyOf<typeof closeSession>>(requestKey(call), ({ directory }) => {
      const reply = (bundleVersion: number) => ({ principal, bundleVersion });
      const session = directory.findSession(nkey);
      if (session === undefined) return { records: [], reply };
      if (session.principal !== principal) throw failure('DENIED');
      const record = makeRecord('session.closed', 'success', {
        ...{ call, subject: principal, facts: { ruleId: session.ruleId, nkey } },
        ...(decision === undefined ? {} : { decision }),
      });
      return { change: { endedSessions: [nkey] }, records: [{ record }], reply };
    });
  };
