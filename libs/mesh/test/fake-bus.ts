import type { Acceptor, ServiceSession } from '@keymesh/channel';
import { HEADERS } from '@keymesh/contracts';
import { headers, type Msg, type MsgHdrs } from '@nats-io/nats-core';

/** What was answered. */
export interface FakeReply {
  readonly body: string;
  readonly head: MsgHdrs | undefined;
  readonly code: string | undefined;
}

/** A message as the dispatcher gets it, and the answers it gave. */
export function fakeMsg(
  subject: string,
  body: string,
  head: Readonly<Record<string, string>> = {},
  reply = '_R_.abc',
): { msg: Msg; replies: FakeReply[] } {
  const replies: FakeReply[] = [];
  const hdrs = headers();
  for (const [name, value] of Object.entries(head)) hdrs.set(name, value);
  const msg = {
    subject,
    sid: 1,
    data: new TextEncoder().encode(body),
    headers: hdrs,
    ...(reply === '' ? {} : { reply }),
    respond(payload: Uint8Array, options?: { headers?: MsgHdrs }) {
      const text = Buffer.from(payload).toString();
      const code = /"code":"([A-Z_]+)"/.exec(text)?.[1];
      replies.push({ body: text, head: options?.headers, code });
      return true;
    },
  };
  return { msg: msg as unknown as Msg, replies };
}

/** Headers of a request through {@link fakeAcceptor}. */
export const encryptedHead = (fields: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  [HEADERS.channel]: 'setup-of-billing',
  [HEADERS.channelSequence]: '1',
  [HEADERS.requestId]: 'r1',
  [HEADERS.deadlineMs]: '1000',
  ...fields,
});

/** A channel that only marks what went through it: `sealed:`. */
export function fakeAcceptor(session: Partial<ServiceSession> = {}): Acceptor {
  return {
    known: () => undefined,
    accept: (setupHeader) =>
      Promise.resolve({
        principal: setupHeader.replace('setup-of-', ''),
        sessionId: 'a'.repeat(32),
        expiresAt: Number.MAX_SAFE_INTEGER,
        decryptRequest: ({ body }) => body.slice(),
        encryptReply: ({ body }) => ({
          replyHeader: 'salt,1',
          body: Buffer.concat([Buffer.from('sealed:'), body]),
        }),
        ...session,
      }),
  };
}
