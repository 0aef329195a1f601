import { describe, expect, test } from '@jest/globals';
import { fromBase64Url, lengthPrefixed, makeSigningKey, toBase64Url } from '@keymesh/kernel';
import { otherSignatureFor } from '../test/other-signature.js';
import { codeOf, codeOfAsync, HOUR, makeKey, makeRig, REPLY, REQUEST } from '../test/rig.js';
import type { ServiceSession } from './index.js';
import { parseSetup, setupInfo } from './setup.js';

const saltOf = (session: ServiceSession): string => session.encryptReply(REPLY).replyHeader.split(',')[0]!;

describe('several instances of a service', () => {
  test('derive the session from the header alone, and the client reads them all', async () => {
    const rig = await makeRig();
    const client = await rig.session();
    const one = await rig.acceptor().accept(client.setupHeader);
    const two = await rig.acceptor().accept(client.setupHeader);
    expect(two.sessionId).toBe(one.sessionId);
    one.decryptRequest({ ...REQUEST, ...client.encryptRequest(REQUEST) });
    two.decryptRequest({ ...REQUEST, ...client.encryptRequest(REQUEST) });
    for (const instance of [one, two, one, two])
      expect(
        codeOf(() => client.decryptReply({ ...REPLY, ...instance.encryptReply(REPLY) })),
      ).toBeUndefined();
  });

  // The same key with the same counter would repeat a GCM nonce and give both plaintexts away.
  test('never encrypt under the same key, though they share the exported one', async () => {
    const rig = await makeRig();
    const client = await rig.session();
    const replies = await Promise.all(
      [rig.acceptor(), rig.acceptor()].map(async (acceptor) =>
        (await acceptor.accept(client.setupHeader)).encryptReply(REPLY),
      ),
    );
    const [one, two] = replies.map(({ replyHeader, body }) => ({ salt: replyHeader.split(',')[0]!, body }));
    expect(one!.salt).not.toBe(two!.salt);
    expect(Buffer.from(one!.body)).not.toEqual(Buffer.from(two!.body));
    const crossed = { ...REPLY, replyHeader: `${two!.salt},1`, body: one!.body };
    expect(codeOf(() => client.decryptReply(crossed))).toBe('CHANNEL_REJECTED');
  });
});

describe('the acceptor', () => {
  test('does the asymmetric work once a header, also for requests that arrive together', async () => {
    const rig = await makeRig();
    const acceptor = rig.acceptor();
    const { setupHeader } = await rig.session();
    const together = await Promise.all([1, 2, 3].map(() => acceptor.accept(setupHeader)));
    expect(new Set([...together, await acceptor.accept(setupHeader)]).size).toBe(1);
  });

  test('gives a session that was evicted a new reply key, and still knows what it saw', async () => {
    const rig = await makeRig();
    const acceptor = rig.acceptor({ maxSessions: 1 });
    const client = await rig.session();
    const first = await acceptor.accept(client.setupHeader);
    const salt = saltOf(first);
    const seen = { ...REQUEST, ...client.encryptRequest(REQUEST) };
    first.decryptRequest(seen);
    await acceptor.accept((await rig.session()).setupHeader);
    const again = await acceptor.accept(client.setupHeader);
    expect(again).not.toBe(first);
    expect(saltOf(again)).not.toBe(salt);
    expect(codeOf(() => again.decryptRequest(seen))).toBe('REPLAYED');
    expect(
      codeOf(() => again.decryptRequest({ ...REQUEST, ...client.encryptRequest(REQUEST) })),
    ).toBeUndefined();
  });

  // Else a client could have its own requests served twice, once for each form of the header.
  test('knows a session again by another valid signature of the same set-up', async () => {
    const rig = await makeRig();
    const acceptor = rig.acceptor();
    const client = await rig.session();
    const first = await acceptor.accept(client.setupHeader);
    const seen = { ...REQUEST, ...client.encryptRequest(REQUEST) };
    first.decryptRequest(seen);
    const setup = parseSetup(client.setupHeader)!;
    const info = setupInfo(setup, fromBase64Url(rig.key.statement.publicKey)!);
    const signed = lengthPrefixed(info, setup.encapsulated);
    const nonce = makeSigningKey().seed;
    const bytes = fromBase64Url(client.setupHeader)!;
    bytes.set(
      otherSignatureFor('keymesh/v1/channel-setup', signed, rig.clientSeed, nonce),
      bytes.length - 64,
    );
    expect(toBase64Url(bytes)).not.toBe(client.setupHeader);
    const again = await acceptor.accept(toBase64Url(bytes));
    expect(codeOf(() => again.decryptRequest(seen))).toBe('REPLAYED');
  });

  test('keeps the session used most recently', async () => {
    const rig = await makeRig();
    const acceptor = rig.acceptor({ maxSessions: 2 });
    const [one, two, three] = await Promise.all([rig.session(), rig.session(), rig.session()]);
    const kept = await acceptor.accept(one.setupHeader);
    await acceptor.accept(two.setupHeader);
    await acceptor.accept(one.setupHeader);
    await acceptor.accept(three.setupHeader);
    expect(await acceptor.accept(one.setupHeader)).toBe(kept);
  });

  test('refuses a principal from the moment its key is taken away, in an open session too', async () => {
    const rig = await makeRig();
    const acceptor = rig.acceptor();
    const { setupHeader } = await rig.session();
    await acceptor.accept(setupHeader);
    rig.directory.clear();
    expect(await codeOfAsync(acceptor.accept(setupHeader))).toBe('CHANNEL_REJECTED');
    expect(await codeOfAsync(rig.acceptor().accept(setupHeader))).toBe('CHANNEL_REJECTED');
  });

  test('says CHANNEL_EXPIRED for a session or key that is over, or a key it has no more', async () => {
    const rig = await makeRig();
    const acceptor = rig.acceptor();
    const { setupHeader } = await rig.session();
    await acceptor.accept(setupHeader);
    expect(await codeOfAsync(rig.acceptor({ keys: [] }).accept(setupHeader))).toBe('CHANNEL_EXPIRED');
    rig.clock.advance(12 * HOUR);
    expect(await codeOfAsync(acceptor.accept(setupHeader))).toBe('CHANNEL_EXPIRED');
    expect(await codeOfAsync(rig.acceptor().accept(setupHeader))).toBe('CHANNEL_EXPIRED');
  });

  test('accepts under an older key of its own through the overlap', async () => {
    const rig = await makeRig();
    const newer = await makeKey(rig.mesh, rig.clock);
    const acceptor = rig.acceptor({ keys: [newer, rig.key] });
    expect((await acceptor.accept((await rig.session()).setupHeader)).principal).toBe('billing');
  });
});
