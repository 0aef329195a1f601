import { randomUUID } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import { openSession, readChannelKey, type ClientSession } from '@keymesh/channel';
import {
  decodeFrame,
  describeChannel,
  encodeFrame,
  HEADERS,
  partsHeader,
  rpcSubject,
  type RpcContract,
} from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf, systemClock } from '@keymesh/kernel';
import { callPlain, connectMesh, type MeshConnection } from '@keymesh/mesh';
import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';

/** A request exactly as it stands on the wire. */
export interface WireRequest {
  readonly subject: string;
  readonly requestId: string;
  readonly head: MsgHdrs;
  readonly body: Uint8Array;
}

/** A principal that speaks NATS itself, below the SDK: it can send what the SDK never would. */
export interface WireClient {
  readonly profile: Profile;
  readonly connection: MeshConnection;
  /** Encrypts a request in this client's session with the vault. `json` replaces the frame by these exact bytes. */
  seal(
    contract: RpcContract,
    request: unknown,
    options?: { readonly deadlineMs?: number; readonly subject?: string; readonly json?: Uint8Array },
  ): WireRequest;
  /** Sends it and waits for the answer. */
  ask(request: Pick<WireRequest, 'subject' | 'head' | 'body'>, timeoutMs?: number): Promise<Msg>;
  /** What an answer says: the reply or `{error}`, from the channel; a plain one from its headers. */
  read(request: WireRequest, reply: Msg): { readonly channel: boolean; readonly message: unknown };
  close(): Promise<void>;
}

const TIMEOUT_MS = 10_000;

/** Connects with a profile and opens a session with the vault. */
export async function connectWire(profile: Profile): Promise<WireClient> {
  const { principal, meshPublicKey } = profile;
  const connection = await connectMesh({
    servers: profile.natsUrl,
    nkeySeed: Secret.fromText(profile.nkeySeed, 'nkey-seed'),
    principal,
  });
  const session = await openVaultSession(connection, profile);
  return {
    profile,
    connection,
    seal: (contract, request, options = {}) => seal(session, contract, principal, request, options),
    ask: ({ subject, head, body }, timeoutMs = TIMEOUT_MS) =>
      connection.nats.request(subject, body, { timeout: timeoutMs, headers: head }),
    read: ({ subject, requestId }, reply) => {
      const parts = reply.headers?.get(HEADERS.parts) ?? '';
      const replyHeader = reply.headers?.get(HEADERS.channelReply) ?? '';
      if (replyHeader === '') return { channel: false, message: decodeFrame(parts, reply.data) };
      const body = session.decryptReply({
        subject,
        requestId,
        replyHeader,
        partsHeader: parts,
        body: reply.data,
      });
      return { channel: true, message: decodeFrame(parts, body) };
    },
    close: () => connection.close(),
  };

  async function openVaultSession(to: MeshConnection, { channelSeed }: Profile): Promise<ClientSession> {
    const { statements } = await callPlain(to, principal, describeChannel.vault, {});
    const service = readChannelKey(statements[0] ?? '', meshPublicKey, 'vault', Date.now());
    const seed = fromBase64Url(channelSeed);
    if (service === undefined || seed === undefined) throw new Error('no channel to the vault');
    const signingKey = signingKeyOf(new Secret(seed, 'channel-seed'));
    return openSession({ principal, signingKey, service, clock: systemClock });
  }
}

function seal(
  session: ClientSession,
  contract: RpcContract,
  principal: string,
  request: unknown,
  options: NonNullable<Parameters<WireClient['seal']>[2]>,
): WireRequest {
  const { deadlineMs = 5_000, subject = rpcSubject(contract, principal), json } = options;
  const frame = json === undefined ? encodeFrame(request) : { lengths: [json.length], body: json };
  const requestId = randomUUID();
  const parts = partsHeader(frame);
  const sealed = session.encryptRequest({
    subject,
    requestId,
    deadlineMs,
    partsHeader: parts,
    body: frame.body,
  });
  const head = headers();
  head.set(HEADERS.parts, parts);
  head.set(HEADERS.requestId, requestId);
  head.set(HEADERS.deadlineMs, String(deadlineMs));
  head.set(HEADERS.channel, session.setupHeader);
  head.set(HEADERS.channelSequence, String(sealed.sequence));
  return { subject, requestId, head, body: sealed.body };
}

/** A plain request: JSON and headers, no channel. */
export function plainRequest(
  contract: RpcContract,
  principal: string,
  body: Uint8Array | object,
  more: Readonly<Record<string, string>> = {},
): WireRequest {
  const requestId = randomUUID();
  const head = headers();
  head.set(HEADERS.requestId, requestId);
  for (const [name, value] of Object.entries(more)) head.set(name, value);
  return {
    subject: rpcSubject(contract, principal),
    requestId,
    head,
    body: body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body)),
  };
}

/** Code of a failure that an answer tells, or `none`. */
export const codeOf = ({ message }: { readonly message: unknown }): string =>
  (message as { error?: { code?: string } }).error?.code ?? 'none';
