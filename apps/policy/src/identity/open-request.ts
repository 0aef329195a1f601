import { openSealedRequest, type ChannelPrivateKey } from '@keymesh/channel';
import {
  failure,
  isSessionRequestProven,
  openSession,
  parseStrictJson,
  sessionRequest,
  type SessionRequest,
} from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';

/**
 * Opens what was sealed to our channel key.
 * @throws CHANNEL_EXPIRED when that key is not here any more: ask for the newer one. IDENTITY_REJECTED for anything that is not a request of this mesh
 * whose sender has the channel key that it names.
 */
export type OpenRequest = (keyId: string, sealed: string) => Promise<SessionRequest>;

export const makeOpenRequest =
  (ports: {
    readonly meshId: string;
    readonly privateKey: (keyId: string) => ChannelPrivateKey | undefined;
    readonly clock: Clock;
  }): OpenRequest =>
  async (keyId, sealed) => {
    const key = ports.privateKey(keyId);
    if (key === undefined) throw failure('CHANNEL_EXPIRED');
    const bytes = await openSealedRequest(openSession.name, key, sealed, ports.clock);
    try {
      const read = sessionRequest.safeParse(parse(bytes));
      if (!read.success || read.data.meshId !== ports.meshId) throw refused('malformed');
      if (!isSessionRequestProven(read.data)) throw refused('not-proven');
      return read.data;
    } finally {
      bytes.fill(0);
    }
  };

function parse(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes);
  } catch {
    return undefined; // its failure would say more than ours
  }
}

const refused = (reason: string) => failure('IDENTITY_REJECTED', { details: { reason } });
