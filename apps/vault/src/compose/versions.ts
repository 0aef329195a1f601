import { makeCertifyChannelKey } from '../operations/certify-channel-key.js';
import { makeDiscardVersion } from '../operations/discard-version.js';
import { makeListRotatable } from '../operations/list-rotatable.js';
import { makePrepareVersion } from '../operations/prepare-version.js';
import { makePromoteVersion } from '../operations/promote-version.js';
import { makeRevealVersion } from '../operations/reveal-version.js';
import type { VersionOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

/** What the mesh's own services ask for. */
export function versionOperations(ports: VaultPorts): VersionOperations {
  const { serve, reveal } = ports;
  return {
    prepareVersion: serve(makePrepareVersion(ports)),
    promoteVersion: serve(makePromoteVersion(ports)),
    discardVersion: serve(makeDiscardVersion(ports)),
    revealVersion: serve(reveal(makeRevealVersion(ports))),
    listRotatable: serve(makeListRotatable(ports)),
    certifyChannelKey: serve(makeCertifyChannelKey(ports)),
  };
}
