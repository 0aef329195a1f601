import {
  importChannelKey,
  openWithStateKey,
  sealWithStateKey,
  type ChannelKeyStatement,
  type ChannelPrivateKey,
} from '@keymesh/channel';
import type { ServiceName } from '@keymesh/contracts';
import { Secret, type Clock } from '@keymesh/kernel';
import type { ChannelKeyHandovers, StoredChannelKey } from '@keymesh/postgres';
import type { Logger } from '../telemetry/logger.js';
import type { ChannelKeyFolder } from './channel-key-folder.js';
import { makeChannelKeyHandover, type ChannelKeyHandover } from './channel-key-handover.js';

export interface PrivateHalvesOptions {
  readonly service: ServiceName;
  /** 32 bytes; seals private halves wherever they are outside this process. */
  readonly stateKey: Secret;
  /** Private halves until their end. */
  readonly folder: ChannelKeyFolder;
  /** Where instances without a folder in common ask each other. */
  readonly handovers: ChannelKeyHandovers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The private halves of a service's channel keys: in a folder until they end, and from other instances. */
export interface PrivateHalves extends Pick<ChannelKeyHandover, 'answer' | 'isHoping'> {
  /** Durable once it resolves. The caller disposes the key. */
  keep(statement: ChannelKeyStatement, privateKey: Secret): Promise<void>;
  /** @returns undefined when it is not here; another instance is asked, and has perhaps answered when this is called again. */
  find(stored: StoredChannelKey, statement: ChannelKeyStatement): Promise<ChannelPrivateKey | undefined>;
  /** Destroys what has ended. */
  destroyEnded(): Promise<void>;
}

/** Makes the keeper of private halves. One per process. */
export function makePrivateHalves(options: PrivateHalvesOptions): PrivateHalves {
  const { stateKey, service, folder, clock } = options;
  const contextOf = (keyId: string): string => `channel-key/${service}/${keyId}`;
  const findSealed = (keyId: string) => folder.read(keyId);
  const handover = makeChannelKeyHandover({ ...options, contextOf, findSealed });

  const keep: PrivateHalves['keep'] = ({ keyId, notAfter }, privateKey) =>
    // EXPOSE: the private key is sealed under the state key before it leaves the process.
    folder.keep(keyId, notAfter, sealWithStateKey(stateKey, contextOf(keyId), privateKey.expose()));

  return {
    keep,
    async find({ keyId, sealedPrivateKey }, statement) {
      // In its row only if an earlier release made it: such keys open until their end.
      const sealed = sealedPrivateKey ?? (await folder.read(keyId));
      if (sealed !== undefined) {
        using kept = new Secret(openWithStateKey(stateKey, contextOf(keyId), sealed), 'channel-private-key');
        return await importChannelKey(statement, kept);
      }
      using obtained = await handover.obtain(keyId);
      if (obtained === undefined) return undefined;
      const key = await importChannelKey(statement, obtained);
      await keep(statement, obtained);
      return key;
    },
    destroyEnded: () => folder.destroyEnded(clock.now()),
    answer: () => handover.answer(),
    isHoping: () => handover.isHoping(),
  };
}
