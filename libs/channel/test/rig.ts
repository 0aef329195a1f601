import { makeSigningKey, type Clock, type Secret, type SigningKey } from '@keymesh/kernel';
import {
  importChannelKey,
  makeAcceptor,
  makeChannelKeyPair,
  openSession,
  readChannelKey,
  signChannelKey,
  type Acceptor,
  type ChannelPrivateKey,
  type ClientSession,
  type ServiceSession,
  type SetupAttempts,
} from '../src/index.js';

export const HOUR = 3_600_000;
export const START = Date.UTC(2026, 10, 22, 9);

/** A clock that a spec turns. */
export interface HandClock extends Clock {
  advance(ms: number): void;
}

export function handClock(start = START): HandClock {
  let now = start;
  return { now: () => now, monotonic: () => now - start, advance: (ms) => void (now += ms) };
}

/** One vault with its certified key, one client, all in memory. */
export interface Rig {
  readonly clock: HandClock;
  readonly mesh: SigningKey;
  readonly client: SigningKey;
  readonly clientSeed: Secret;
  readonly key: ChannelPrivateKey;
  /** Principals that the directory knows, by channel key. */
  readonly directory: Map<string, string>;
  acceptor(overrides?: {
    maxSessions?: number;
    keys?: ChannelPrivateKey[];
    attempts?: SetupAttempts;
  }): Acceptor;
  session(): Promise<ClientSession>;
  pair(): Promise<{ client: ClientSession; service: ServiceSession }>;
}

export async function makeRig(): Promise<Rig> {
  const clock = handClock();
  const mesh = makeSigningKey().key;
  const { key: client, seed: clientSeed } = makeSigningKey();
  const directory = new Map([[client.publicKeyText, 'billing']]);
  const key = await makeKey(mesh, clock);
  const acceptor: Rig['acceptor'] = ({ keys = [key], ...rest } = {}) =>
    makeAcceptor({
      service: 'vault',
      privateKey: (keyId) => keys.find(({ statement }) => statement.keyId === keyId),
      isChannelKeyOf: (principal, publicKey) => directory.get(publicKey) === principal,
      clock,
      ...rest,
    });
  const session: Rig['session'] = () =>
    openSession({ principal: 'billing', signingKey: client, service: key.statement, clock });
  const pair: Rig['pair'] = async () => {
    const opened = await session();
    return { client: opened, service: await acceptor().accept(opened.setupHeader) };
  };
  return { clock, mesh, client, clientSeed, key, directory, acceptor, session, pair };
}

export async function makeKey(mesh: SigningKey, clock: Clock, service = 'vault'): Promise<ChannelPrivateKey> {
  const { publicKey, privateKey } = await makeChannelKeyPair();
  const notBefore = clock.now();
  const text = signChannelKey({ service, publicKey, notBefore, notAfter: notBefore + 24 * HOUR }, mesh);
  const statement = readChannelKey(text, mesh.publicKeyText, service, notBefore);
  if (statement === undefined) throw new Error('the statement just signed does not read');
  return importChannelKey(statement, privateKey);
}

export const REQUEST = {
  subject: 'keymesh.v1.rpc.billing.vault.credential.retrieve',
  requestId: '0198b0aa-0000-7000-8000-000000000001',
  deadlineMs: 5_000,
  partsHeader: '22',
  body: new TextEncoder().encode('{"name":"alpha_vantage"}'),
};

export const REPLY = {
  subject: REQUEST.subject,
  requestId: REQUEST.requestId,
  partsHeader: '2,9',
  body: new TextEncoder().encode('{}top-secret'),
};

/** The code of whatever a call throws, or `undefined`. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? `not ours: ${String(error)}`;
  }
}

export const codeOfAsync = (call: Promise<unknown>): Promise<string | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => (error as { code?: string }).code ?? `not ours: ${String(error)}`,
  );
