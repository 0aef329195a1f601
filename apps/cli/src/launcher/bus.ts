import { readFileSync } from 'node:fs';
import { failure, identityPrincipal } from '@keymesh/contracts';
import { KeymeshError, Secret } from '@keymesh/kernel';
import { connectMesh, reconcileStreams, type MeshTls } from '@keymesh/mesh';
import type { Home } from './home.js';

/**
 * Makes or changes the streams and consumers, as the deploy-time identity: nobody who runs later may.
 * @throws UNAVAILABLE; DENIED with what to do when the user's own server does not know the mesh's keys.
 */
export async function reconcileBus(home: Home, natsUrl: string, tls: MeshTls | undefined): Promise<void> {
  using nkeySeed = Secret.fromText(
    readFileSync(home.secret('deploy', 'nats.seed'), 'utf8').trim(),
    'deploy-seed',
  );
  try {
    const connection = await connectMesh({
      servers: natsUrl,
      nkeySeed,
      principal: identityPrincipal('deploy'),
      ...(tls === undefined ? {} : { tls }),
    });
    try {
      // A server without the mesh's accounts lets everybody in as anybody.
      if (connection.nats.info?.auth_required !== true) throw failure('DENIED');
      await reconcileStreams(connection);
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (!KeymeshError.is(error) || error.code !== 'DENIED') throw error;
    throw failure('DENIED', {
      publicMessage: `The NATS server at ${natsUrl} does not have this mesh's accounts. Put ${home.nats.accounts} (also printed by \`keymesh nats-config\`) into its configuration and reload it.`,
      cause: error,
    });
  }
}
