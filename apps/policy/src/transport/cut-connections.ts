import type { NatsConnection } from '@nats-io/transport-node';
import type { CutConnections, CutRemovedKeys } from '../domain/ports.js';
import type { ConnectionPlace, ConnectionStore } from '../store/connections.js';

export interface CutOptions {
  /** Connected as a user of the system account. */
  readonly sys: Pick<NatsConnection, 'request' | 'requestMany'>;
  readonly connections: Pick<ConnectionStore, 'find' | 'forget'>;
  readonly onCut: (connections: number) => void;
  readonly onFailure: (error: unknown) => void;
}

const KICK_TIMEOUT_MS = 800;
/** How long servers have to tell of connections; the last one to answer ends the wait. */
const FIND_MS = 400;

/** More principals than this at once are found by going through every connection once, not each by itself. */
const FEW = 8;
/** Connections that are cut at the same time. */
const KICKS_AT_ONCE = 64;

/**
 * Cuts every connection of a principal: first those that are remembered, then those that the servers themselves know by its name
 * (remembered or not, on whatever server). A connection that is gone already is no failure.
 */
export const makeCutConnections =
  (options: CutOptions): CutConnections =>
  (principals) =>
    principals.length > FEW ? cutMany(options, new Set(principals)) : cutEach(options, principals);

async function cutEach(
  { sys, connections, onCut, onFailure }: CutOptions,
  principals: readonly string[],
): Promise<void> {
  await Promise.all(
    principals.map(async (principal) => {
      try {
        const remembered = await connections.find(principal);
        const live = findLive(sys, principal);
        const kicked = await Promise.all(remembered.map((place) => kick(sys, place)));
        const left = await live;
        const alsoKicked = await Promise.all(left.map((place) => kick(sys, place)));
        onCut([...kicked, ...alsoKicked].filter(Boolean).length);
        await connections.forget(remembered);
      } catch (error) {
        onFailure(error);
      }
    }),
  );
}

async function cutMany(
  { sys, connections, onCut, onFailure }: CutOptions,
  principals: ReadonlySet<string>,
): Promise<void> {
  try {
    const places = await findAll(sys, principals);
    const kicked: boolean[] = [];
    for (let at = 0; at < places.length; at += KICKS_AT_ONCE)
      kicked.push(
        ...(await Promise.all(places.slice(at, at + KICKS_AT_ONCE).map((place) => kick(sys, place)))),
      );
    onCut(kicked.filter(Boolean).length);
    await connections.forget(places);
  } catch (error) {
    onFailure(error);
  }
}

/**
 * Cuts the connections of a principal but for those that are remembered with an nkey that it still has: one that nobody remembers is
 * cut too, because nobody knows its key; its client comes back by itself if its key is good.
 */
export const makeCutRemovedKeys =
  ({ sys, connections, onCut, onFailure }: CutOptions): CutRemovedKeys =>
  async (principal, keptNkeys) => {
    try {
      const remembered = await connections.find(principal);
      const isKept = ({ nkey }: ConnectionPlace): boolean => nkey !== undefined && keptNkeys.includes(nkey);
      const stays = new Set(remembered.filter(isKept).map(keyOf));
      const live = await findLive(sys, principal);
      const places = new Map(
        [...remembered, ...live]
          .filter((place) => !stays.has(keyOf(place)))
          .map((place) => [keyOf(place), place]),
      );
      const kicked = await Promise.all([...places.values()].map((place) => kick(sys, place)));
      onCut(kicked.filter(Boolean).length);
      await connections.forget([...places.values()]);
    } catch (error) {
      onFailure(error);
    }
  };

const keyOf = ({ serverId, clientId }: ConnectionPlace): string => `${serverId} ${String(clientId)}`;

/** @returns whether there was such a connection. */
async function kick(sys: CutOptions['sys'], { serverId, clientId }: ConnectionPlace): Promise<boolean> {
  try {
    const reply = await sys.request(`$SYS.REQ.SERVER.${serverId}.KICK`, JSON.stringify({ cid: clientId }), {
      timeout: KICK_TIMEOUT_MS,
    });
    return !('error' in reply.json<object>());
  } catch {
    return false; // the server is gone, and its connections with it
  }
}

interface Connz {
  readonly server?: { readonly id?: string };
  readonly data?: {
    readonly total?: number;
    readonly connections?: readonly { readonly cid: number; readonly authorized_user?: string }[];
  };
}

/** Connections that a server tells at once. */
const PAGE = 1_024;

/** The name in the user JWT is the principal's; the server lists connections by it. */
async function findLive(sys: CutOptions['sys'], principal: string): Promise<ConnectionPlace[]> {
  const places: ConnectionPlace[] = [];
  const replies = await sys.requestMany(
    '$SYS.REQ.SERVER.PING.CONNZ',
    JSON.stringify({ auth: true, user: principal, limit: PAGE }),
    {
      strategy: 'stall',
      maxWait: FIND_MS,
    },
  );
  for await (const reply of replies) {
    const { server, data } = reply.json<Connz>();
    for (const { cid } of data?.connections ?? [])
      places.push({ serverId: server?.id ?? '', clientId: cid, nkey: undefined });
  }
  return places;
}

/** The connections of these principals on every server. A server that tells of a whole page is asked for the next. */
async function findAll(sys: CutOptions['sys'], principals: ReadonlySet<string>): Promise<ConnectionPlace[]> {
  const places: ConnectionPlace[] = [];
  let isMore = true;
  for (let offset = 0; isMore; offset += PAGE) {
    isMore = false;
    const replies = await sys.requestMany(
      '$SYS.REQ.SERVER.PING.CONNZ',
      JSON.stringify({ auth: true, limit: PAGE, offset }),
      { strategy: 'stall', maxWait: FIND_MS },
    );
    for await (const reply of replies) {
      const { server, data } = reply.json<Connz>();
      isMore ||= (data?.total ?? 0) > offset + PAGE;
      for (const { cid, authorized_user: principal = '' } of data?.connections ?? [])
        if (principals.has(principal))
          places.push({ serverId: server?.id ?? '', clientId: cid, nkey: undefined });
    }
  }
  return places;
}
