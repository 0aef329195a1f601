import { openSession, readChannelKey, type ClientSession } from '@keymesh/channel';
import { describeChannel, failure, type ServiceName } from '@keymesh/contracts';
import type { Clock, SigningKey } from '@keymesh/kernel';
import type { MeshConnection } from '../connection.js';
import { callPlain } from './plain-call.js';

export interface SessionsOptions {
  readonly connection: MeshConnection;
  readonly principal: string;
  /** The principal's channel key. */
  readonly signingKey: SigningKey;
  /** Pinned at enrolment; 32 bytes base64url. */
  readonly meshPublicKey: string;
  readonly clock: Clock;
}

/** One session a service, opened when first needed and shared by all calls. */
export interface Sessions {
  /** The session that is open, if one is. */
  current(service: ServiceName): ClientSession | undefined;
  /** @throws UNAVAILABLE, DEADLINE_EXCEEDED; CHANNEL_REJECTED when no key of the service is vouched for by the mesh key. */
  get(service: ServiceName): Promise<ClientSession>;
  /** Forgets this session (not a newer one that took its place). */
  drop(service: ServiceName, session: ClientSession): void;
  clear(): void;
}

/** Opens and keeps the sessions of one principal. */
export function makeSessions(options: SessionsOptions): Sessions {
  const opened = new Map<ServiceName, ClientSession>();
  const opening = new Map<ServiceName, Promise<ClientSession>>();

  const open = async (service: ServiceName): Promise<ClientSession> => {
    try {
      const session = await openWith(options, service);
      opened.set(service, session);
      return session;
    } finally {
      opening.delete(service);
    }
  };
  return {
    current: (service) => opened.get(service),
    get(service) {
      const session = opened.get(service);
      if (session !== undefined) return Promise.resolve(session);
      const pending = opening.get(service) ?? open(service);
      opening.set(service, pending);
      return pending;
    },
    drop(service, session) {
      if (opened.get(service) === session) opened.delete(service);
    },
    clear: () => opened.clear(),
  };
}

async function openWith(options: SessionsOptions, service: ServiceName): Promise<ClientSession> {
  const { connection, principal, signingKey, meshPublicKey, clock } = options;
  const { statements } = await callPlain(connection, principal, describeChannel[service], {});
  for (const text of statements) {
    const key = readChannelKey(text, meshPublicKey, service, clock.now());
    if (key !== undefined) return openSession({ principal, signingKey, service: key, clock });
  }
  if (statements.length === 0) throw failure('UNAVAILABLE');
  throw failure('CHANNEL_REJECTED', {
    publicMessage: 'The service has no key that this mesh vouches for. Check the profile, and the clocks.',
  });
}
