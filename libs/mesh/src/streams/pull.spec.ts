import { describe, expect, it, jest } from '@jest/globals';
import { CONSUMERS } from '@keymesh/contracts';
import type { MeshConnection } from '../connection.js';
import { pull } from './pull.js';

const EMPTY = { headers: { code: 404 } };

/** A server that has no message: it answers the pull that does not wait, and lets the other one wait. */
function emptyStream(onAsked: (waits: boolean) => void) {
  let answer: ((error: null, msg: unknown) => void) | undefined;
  const publish = jest.fn((_subject: string, body: string) => {
    const waits = body.includes('expires');
    onAsked(waits);
    if (!waits) answer?.(null, EMPTY);
  });
  // What a pull uses of a connection and nothing else, hence the cast; against a real server pulls are shown in test/streams.spec.ts.
  const connection = {
    principal: '_vault',
    onReconnect: () => () => undefined,
    nats: {
      publish,
      subscribe: (_inbox: string, { callback }: { callback: typeof answer }) => {
        answer = callback;
        return { unsubscribe: () => undefined };
      },
    },
  } as unknown as MeshConnection;
  return { connection, publish };
}

describe('a pull', () => {
  it('that begins after the stop asks for nothing: a stop while connecting waits for no message', async () => {
    const { connection, publish } = emptyStream(() => undefined);
    const pulled = await pull(connection, CONSUMERS.ledger, 8, AbortSignal.abort());
    expect(pulled).toEqual({ messages: [], complete: false });
    expect(publish).not.toHaveBeenCalled();
  });

  it('that learns of the stop between its two questions does not ask the second', async () => {
    const stopping = new AbortController();
    const { connection, publish } = emptyStream(() => void Promise.resolve().then(() => stopping.abort()));
    const pulled = await pull(connection, CONSUMERS.ledger, 8, stopping.signal);
    expect(pulled).toEqual({ messages: [], complete: false });
    expect(publish).toHaveBeenCalledTimes(1);
  });

  it('that waits ends with the stop', async () => {
    const stopping = new AbortController();
    const { connection, publish } = emptyStream((waits) => {
      if (waits) setImmediate(() => stopping.abort());
    });
    expect(await pull(connection, CONSUMERS.ledger, 8, stopping.signal)).toEqual({
      messages: [],
      complete: false,
    });
    expect(publish).toHaveBeenCalledTimes(2);
  });
});
