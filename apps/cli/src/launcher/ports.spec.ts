import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { choosePort, isPortFree } from './ports.js';

const wish = { variable: 'KEYMESH_NATS_PORT', what: 'NATS', port: 7422 };
const busy =
  (...ports: number[]) =>
  (port: number): Promise<boolean> =>
    Promise.resolve(!ports.includes(port));

describe('choosing a port', () => {
  it('takes the wished one when it is free', async () => {
    expect(await choosePort(wish, { autoPorts: false, isFree: busy() })).toBe(7422);
  });

  it('otherwise says which port, for what, and which variable sets it', async () => {
    await expect(choosePort(wish, { autoPorts: false, isFree: busy(7422) })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringMatching(/7422.*NATS.*KEYMESH_NATS_PORT.*--auto-ports/),
    });
  });

  it('never moves by itself, not even to the port of the last start', async () => {
    await expect(
      choosePort(wish, { autoPorts: false, previous: 7430, isFree: busy(7422) }),
    ).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    });
  });

  it('with automatic ports takes the next free one that no other part has taken', async () => {
    expect(await choosePort(wish, { autoPorts: true, isFree: busy(7422, 7423), taken: [7424] })).toBe(7425);
  });

  it('with automatic ports stays where it was at the last start', async () => {
    expect(await choosePort(wish, { autoPorts: true, previous: 7430, isFree: busy() })).toBe(7430);
    expect(await choosePort(wish, { autoPorts: true, previous: 7430, isFree: busy(7430) })).toBe(7422);
  });
});

describe('a port', () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  it('is busy while somebody listens, and free after', async () => {
    server = createServer();
    const port = await new Promise<number>((resolve) => {
      server!.listen(0, '127.0.0.1', () => resolve((server!.address() as { port: number }).port));
    });
    expect(await isPortFree(port)).toBe(false);
    await new Promise((resolve) => server!.close(resolve));
    expect(await isPortFree(port)).toBe(true);
  });
});
