import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { readFileSync } from 'node:fs';
import { codeOfAsync, handClock } from '../test/rig.js';
import { importChannelKey, makeAcceptor, openSealedRequest, readChannelKey } from './index.js';

// docs/reference/vectors/channel.json is what other implementations are written against: what it says is refused must be refused here. That it holds the
// right values is seen by its generator (a second implementation) and by the golden file.
interface Vectors {
  readonly now: number;
  readonly meshPublicKey: string;
  readonly statement: {
    readonly text: string;
    readonly keyId: string;
    readonly refused: readonly { readonly why: string; readonly text: string; readonly now: number }[];
  };
  readonly setup: {
    readonly servicePrivateKey: string;
    readonly clientPublicKey: string;
    readonly sessionId: string;
    readonly header: string;
    readonly refused: readonly {
      readonly why: string;
      readonly header: string;
      readonly now: number;
      readonly code: string;
    }[];
  };
  readonly sealedRequest: {
    readonly operation: string;
    readonly meshPublicKey: string;
    readonly statement: string;
    readonly now: number;
    readonly servicePrivateKey: string;
    readonly plaintext: string;
    readonly sealed: string;
    readonly refused: readonly {
      readonly why: string;
      readonly operation: string;
      readonly sealed: string;
      readonly now: number;
      readonly code: string;
    }[];
  };
}
const file = new URL('../../../docs/reference/vectors/channel.json', import.meta.url);
const { now, meshPublicKey, statement, setup, sealedRequest } = JSON.parse(
  readFileSync(file, 'utf8'),
) as Vectors;
const read = (text: string, at: number) => readChannelKey(text, meshPublicKey, 'vault', at);

async function accept(header: string, at: number): Promise<string> {
  const key = await importChannelKey(
    read(statement.text, now)!,
    new Secret(Uint8Array.from(Buffer.from(setup.servicePrivateKey, 'hex')), 'vectors'),
  );
  const clientKey = Buffer.from(setup.clientPublicKey, 'hex').toString('base64url');
  const acceptor = makeAcceptor({
    service: 'vault',
    privateKey: (keyId) => (keyId === statement.keyId ? key : undefined),
    isChannelKeyOf: (principal, publicKey) => principal === 'billing' && publicKey === clientKey,
    clock: handClock(at),
  });
  return (await acceptor.accept(header)).sessionId;
}

describe('the published vectors', () => {
  it('hold a statement and a set-up that are accepted', async () => {
    expect(read(statement.text, now)).toMatchObject({ keyId: statement.keyId });
    expect(await accept(setup.header, now)).toBe(setup.sessionId);
  });

  it.each(statement.refused)('hold a statement that is refused: $why', ({ text, now: at }) => {
    expect(read(text, at)).toBeUndefined();
  });

  it.each(setup.refused)('hold a set-up that is refused: $why ($code)', async ({ header, now: at, code }) => {
    expect(await codeOfAsync(accept(header, at))).toBe(code);
  });

  const open = async ({ operation, sealed, now: at }: (typeof sealedRequest.refused)[number]) => {
    const service = readChannelKey(
      sealedRequest.statement,
      sealedRequest.meshPublicKey,
      'policy',
      sealedRequest.now,
    )!;
    const privateKey = Uint8Array.from(Buffer.from(sealedRequest.servicePrivateKey, 'hex'));
    const key = await importChannelKey(service, new Secret(privateKey, 'vectors'));
    return Buffer.from(await openSealedRequest(operation, key, sealed, handClock(at))).toString('hex');
  };

  it('hold a sealed request that opens', async () => {
    expect(await open({ ...sealedRequest, why: '', code: '' })).toBe(sealedRequest.plaintext);
  });

  it.each(sealedRequest.refused)('hold a sealed request that is refused: $why ($code)', async (refused) => {
    expect(await codeOfAsync(open(refused))).toBe(refused.code);
  });
});
