import {
  discardVersion,
  listRotatable,
  prepareVersion,
  promoteVersion,
  revealVersion,
} from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import type { RotationRef, Vault } from '../domain/ports.js';

const DEADLINE_MS = 5 * SECOND;

/** The vault over this service's own channel. Values arrive as Secrets, and whoever asked for them disposes them. */
export function makeMeshVault(caller: Pick<Caller, 'call'>): Vault {
  const options = { deadlineMs: DEADLINE_MS };
  const ids = ({ credentialId, rotationId }: RotationRef) => ({ credentialId, rotationId });
  return {
    prepare: (ref) => caller.call(prepareVersion, ids(ref), options),
    promote: async (ref, version) => {
      await caller.call(promoteVersion, { ...ids(ref), version }, options);
    },
    discard: async (ref, version) => {
      await caller.call(discardVersion, { ...ids(ref), version }, options);
    },
    reveal: async (ref, version) => {
      const revealed = await caller.call(revealVersion, { ...ids(ref), version }, options);
      return {
        ...revealed,
        [Symbol.dispose]: () => {
          for (const value of Object.values(revealed.values)) value.dispose();
        },
      };
    },
    listRotatable: async () => (await caller.call(listRotatable, {}, options)).credentials,
    findByName: async (name) => (await caller.call(listRotatable, { name }, options)).credentials[0],
  };
}
