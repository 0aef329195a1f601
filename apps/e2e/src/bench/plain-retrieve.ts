import { randomUUID } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import {
  decodeFrame,
  encodeFrame,
  HEADERS,
  parseMessage,
  partsHeader,
  retrieveCredential,
  rpcSubject,
} from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { connectMesh, type MeshConnection } from '@keymesh/mesh';
import { headers } from '@nats-io/transport-node';
import type { Fleet } from './fleet.js';
import type { Target } from './rounds.js';

export const PLAIN_RETRIEVE = 'plain retrieve';
const DEADLINE_MS = 5_000;

/** A retrieve without the channel, for what that costs: JSON and parts in the clear, by principals with the role `plain-reply`. */
export async function makePlainRetrieve(
  { nameOf }: Pick<Fleet, 'nameOf'>,
  profiles: readonly Profile[],
): Promise<Target> {
  const clients = await Promise.all(
    profiles.map(async ({ natsUrl: servers, nkeySeed, principal }) => {
      const seed = Secret.fromText(nkeySeed, 'nkey-seed');
      return connectMesh({ servers, nkeySeed: seed, principal });
    }),
  );
  return {
    name: PLAIN_RETRIEVE,
    ask: async (worker, turn) => {
      const client = clients[worker % clients.length];
      if (client === undefined) throw new Error('nobody to ask in the clear');
      await ask(client, nameOf(turn * 7 + worker));
    },
  };
}

async function ask({ nats, principal }: MeshConnection, name: string): Promise<void> {
  const frame = encodeFrame({ name });
  const head = headers();
  head.set(HEADERS.parts, partsHeader(frame));
  head.set(HEADERS.requestId, randomUUID());
  head.set(HEADERS.deadlineMs, String(DEADLINE_MS));
  const subject = rpcSubject(retrieveCredential, principal);
  const reply = await nats.request(subject, frame.body, { timeout: DEADLINE_MS, headers: head });
  const parts = reply.headers?.get(HEADERS.parts) ?? '';
  if (parts === '') throw new Error('no value came in the clear');
  const { values } = parseMessage(retrieveCredential.reply, decodeFrame(parts, reply.data));
  for (const value of Object.values(values)) value.dispose();
}
