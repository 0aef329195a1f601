import { describe, expect, it } from '@jest/globals';
import { defineRpc, failure, HEADERS, secretBytes } from '@keymesh/contracts';
import { KeymeshError, Secret, utf8 } from '@keymesh/kernel';
import { makeTestClock } from '@keymesh/testing';
import { z } from 'zod';
import { encryptedHead, fakeAcceptor, fakeMsg } from '../../test/fake-bus.js';
import type { Handler, PrincipalView, Served } from './call.js';
import { makeDispatcher, type DispatcherOptions, type ServedOperation } from './dispatcher.js';

const contract = defineRpc({
  name: 'echo',
  service: 'vault',
  noun: 'spec',
  verb: 'echo',
  request: z.strictObject({ text: z.string(), secret: secretBytes().optional() }),
  reply: z.strictObject({ text: z.string(), secret: secretBytes().optional() }),
});
const publicContract = { ...contract, channel: 'none' as const };
const subject = 'keymesh.v1.rpc.billing.vault.spec.echo';
const active: PrincipalView = { roles: ['reader'], status: 'active' };

function setUp(
  options: Partial<DispatcherOptions> = {},
  handler: Handler<typeof contract> = ({ text }) => Promise.resolve({ text }),
) {
  const served: Served[] = [];
  let handled = 0;
  const clock = makeTestClock();
  const dispatch = makeDispatcher({
    service: 'vault',
    acceptor: fakeAcceptor(),
    principals: { find: () => active },
    allowPlainReply: false,
    clock,
    onServed: (one) => void served.push(one),
    ...options,
  });
  const counted: Handler<typeof contract> = (request, call) => {
    handled += 1;
    return handler(request, call);
  };
  return {
    served,
    clock,
    handled: () => handled,
    serve: andSend(dispatch(contract, counted)),
    servePublic: andSend(dispatch(publicContract, counted)),
    unknown: andSend(dispatch.unknown),
  };
}

// Answers leave at the end of the turn.
const andSend =
  (operation: ServedOperation): ServedOperation =>
  async (msg) => {
    await operation(msg);
    await new Promise((resolve) => setImmediate(resolve));
  };

describe('the dispatcher', () => {
  it('answers through the channel, and tells the handler who asks, when, until when', async () => {
    const { serve, served, clock } = setUp({}, (request, call) => {
      expect(call).toEqual({
        principal: 'billing',
        sessionId: 'a'.repeat(32),
        requestId: 'r1',
        deadlineAt: clock.monotonic() + 1_000,
        traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
        channel: 'encrypted',
        time: Math.floor(clock.now() / 1_000),
      });
      return Promise.resolve(request);
    });
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead({ traceparent }));
    await serve(msg);
    expect(replies).toHaveLength(1);
    expect(replies[0]?.body).toBe('sealed:{"text":"hi"}');
    expect(replies[0]?.head?.get(HEADERS.channelReply)).toBe('salt,1');
    expect(replies[0]?.head?.get(HEADERS.parts)).toBe('13');
    expect(served).toEqual([
      expect.objectContaining({ operation: 'echo', outcome: 'success', channel: 'encrypted' }),
    ]);
  });

  it.each([
    ['no reply subject', undefined],
    ["another principal's inbox", '_INBOX_orders.abc'],
    ['an inbox whose name only begins alike', '_INBOX_billing2.abc'],
    ['the journal', 'keymesh.v1.journal.vault'],
    ['the JetStream API', '$JS.API.STREAM.DELETE.AUDIT'],
  ])('neither works nor answers when the reply would go to %s', async (_what, reply) => {
    const { serve, handled, served } = setUp();
    const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead(), reply ?? '');
    await serve(msg);
    expect([replies, handled(), served]).toEqual([[], 0, []]);
  });

  it("answers in the asker's own inbox inside the account", async () => {
    const { serve } = setUp();
    const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead(), '_INBOX_billing.abc');
    await serve(msg);
    expect(replies).toHaveLength(1);
  });

  it.each([
    [HEADERS.deadlineMs, '0'],
    [HEADERS.deadlineMs, '30001'],
    [HEADERS.deadlineMs, '1e3'],
    [HEADERS.deadlineMs, '-5'],
    [HEADERS.requestId, 'not an id'],
    [HEADERS.requestId, 'x'.repeat(65)],
  ])('refuses the header %s: %s', async (name, value) => {
    const { serve, handled } = setUp();
    const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead({ [name]: value }));
    await serve(msg);
    expect(replies.map(({ code }) => code)).toEqual(['BAD_REQUEST']);
    expect(replies[0]?.head?.get(HEADERS.serviceErrorCode)).toBe('400');
    expect(handled()).toBe(0);
  });

  it('decides about nothing while news of who may what is on its way', async () => {
    let arrive = (): void => undefined;
    let settling: Promise<void> | undefined = new Promise<void>((resolve) => (arrive = resolve));
    let view: PrincipalView = active;
    const { serve, handled } = setUp({ settling: () => settling, principals: { find: () => view } });
    const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead());
    const answered = serve(msg);
    await new Promise((resolve) => setImmediate(resolve));
    expect([handled(), replies.length]).toEqual([0, 0]);
    view = { ...active, status: 'disabled' };
    settling = undefined;
    arrive();
    await answered;
    expect(handled()).toBe(0);
    expect(replies).toHaveLength(1);
  });

  it('drops work whose deadline passed while the session opened, and a result that is late', async () => {
    const clock = makeTestClock();
    const slow = fakeAcceptor();
    const late = setUp({
      clock,
      acceptor: {
        known: () => undefined,
        accept: (header) => {
          clock.advance(1_001);
          return slow.accept(header);
        },
      },
    });
    const first = fakeMsg(subject, '{"text":"hi"}', encryptedHead());
    await late.serve(first.msg);
    expect(first.replies.map(({ code }) => code)).toEqual(['DEADLINE_EXCEEDED']);
    expect(first.replies[0]?.body).toMatch(/^sealed:/);
    expect(late.handled()).toBe(0);

    const value = new Secret(utf8('late value'), 'spec');
    const working = setUp({}, () => {
      working.clock.advance(1_001);
      return Promise.resolve({ text: 'late', secret: value });
    });
    const second = fakeMsg(subject, '{"text":"hi"}', encryptedHead());
    await working.serve(second.msg);
    expect(second.replies.map(({ code }) => code)).toEqual(['DEADLINE_EXCEEDED']);
    expect(() => value.expose()).toThrow();
  });

  it('says what was not authentic in plain, and REPLAYED inside the channel', async () => {
    const refusing = (code: 'CHANNEL_REJECTED' | 'REPLAYED') =>
      setUp({
        acceptor: fakeAcceptor({
          decryptRequest: () => {
            throw failure(code);
          },
        }),
      });
    const forged = fakeMsg(subject, '{}', encryptedHead());
    await refusing('CHANNEL_REJECTED').serve(forged.msg);
    expect(forged.replies[0]?.code).toBe('CHANNEL_REJECTED');
    expect(forged.replies[0]?.body).not.toMatch(/^sealed:/);
    const repeated = fakeMsg(subject, '{}', encryptedHead());
    await refusing('REPLAYED').serve(repeated.msg);
    expect(repeated.replies[0]?.body).toMatch(/^sealed:.*REPLAYED/);
  });

  it("refuses a channel that is not the subject's principal's", async () => {
    const { serve, handled } = setUp();
    const { msg, replies } = fakeMsg(
      subject,
      '{"text":"hi"}',
      encryptedHead({ [HEADERS.channel]: 'setup-of-orders' }),
    );
    await serve(msg);
    expect(replies.map(({ code }) => code)).toEqual(['CHANNEL_REJECTED']);
    expect(handled()).toBe(0);
  });

  it.each([
    ['locked', 'PRINCIPAL_LOCKED'],
    ['disabled', 'DENIED'],
    ['invited', 'DENIED'],
    [undefined, 'DENIED'],
  ] as const)(
    'tells a principal that is %s %s, inside the channel, before the handler',
    async (status, code) => {
      const view = status && { ...active, status };
      const { serve, handled } = setUp({ principals: { find: () => view } });
      const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead());
      await serve(msg);
      expect(replies[0]?.body).toMatch(new RegExp(`^sealed:.*${code}`));
      expect(handled()).toBe(0);
    },
  );

  it('serves an operation without a channel to anybody, and no other', async () => {
    const { serve, servePublic } = setUp({ principals: { find: () => undefined } });
    const open = fakeMsg(subject, '{"text":"hi"}');
    await servePublic(open.msg);
    expect(open.replies[0]?.body).toBe('{"text":"hi"}');
    const closed = fakeMsg(subject, '{"text":"hi"}');
    await serve(closed.msg);
    expect(closed.replies.map(({ code }) => code)).toEqual(['CHANNEL_REQUIRED']);
  });

  it('never repeats what it was sent, or what was thrown', async () => {
    const { serve, served } = setUp({}, () => Promise.reject(new TypeError('canary-thrown')));
    for (const body of ['canary-sent', '{"text":1,"canary":2}', '{"text":"hi"}']) {
      const { msg, replies } = fakeMsg(subject, body, encryptedHead());
      await serve(msg);
      expect(replies[0]?.code).toBeDefined();
      expect(replies[0]?.body).not.toContain('canary');
    }
    expect(served.map(({ outcome }) => outcome)).toEqual(['MALFORMED_MESSAGE', 'BAD_REQUEST', 'INTERNAL']);
    expect(served[2]?.error).toBeInstanceOf(TypeError);
  });

  it('asks for a new session in plain when the replies of this one are used up', async () => {
    const { serve, served } = setUp({
      acceptor: fakeAcceptor({
        encryptReply: () => {
          throw new KeymeshError('CHANNEL_EXPIRED');
        },
      }),
    });
    const { msg, replies } = fakeMsg(subject, '{"text":"hi"}', encryptedHead());
    await serve(msg);
    expect(replies.map(({ code }) => code)).toEqual(['CHANNEL_EXPIRED']);
    expect(served[0]).toMatchObject({ outcome: 'CHANNEL_EXPIRED' });
  });

  it('zeroes the request it decrypted', async () => {
    let body = new Uint8Array();
    const { serve } = setUp({
      acceptor: fakeAcceptor({
        decryptRequest: (request) => (body = request.body.slice()),
      }),
    });
    await serve(fakeMsg(subject, '{"text":"hi"}', encryptedHead()).msg);
    expect(body.length).toBe(13);
    expect(body.every((byte) => byte === 0)).toBe(true);
  });

  it('survives a connection that is gone', async () => {
    const { serve, served } = setUp();
    const { msg } = fakeMsg(subject, '{"text":"hi"}', encryptedHead());
    msg.respond = () => {
      throw new Error('closed');
    };
    await expect(serve(msg)).resolves.toBeUndefined();
    expect(served).toHaveLength(1);
  });

  it('answers UNKNOWN_OPERATION through the channel, and in plain only CHANNEL_REQUIRED', async () => {
    const { unknown } = setUp();
    const sealed = fakeMsg('keymesh.v1.rpc.billing.vault.no.such', '{}', encryptedHead());
    await unknown(sealed.msg);
    expect(sealed.replies[0]?.body).toMatch(/^sealed:.*UNKNOWN_OPERATION/);
    const plain = fakeMsg('keymesh.v1.rpc.billing.vault.no.such', '{}');
    await unknown(plain.msg);
    expect(plain.replies.map(({ code }) => code)).toEqual(['CHANNEL_REQUIRED']);
  });
});
