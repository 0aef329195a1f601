import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityPrincipal } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { connectMesh } from '@keymesh/mesh';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import type { RunningMesh } from './running-mesh.js';

export interface StreamState {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly config: StreamConfig;
}

/** The deploy-time identity: sees and changes streams, as a careless administrator could. */
export interface Deploy {
  streams(): Promise<StreamState[]>;
  stream(name: string): Promise<StreamState>;
  update(name: string, change: Partial<StreamConfig>): Promise<void>;
  close(): Promise<void>;
}

export async function connectDeploy(mesh: RunningMesh): Promise<Deploy> {
  const seed = (await readFile(join(mesh.home, 'secrets/deploy/nats.seed'), 'utf8')).trim();
  const connection = await connectMesh({
    servers: mesh.natsUrl,
    nkeySeed: Secret.fromText(seed, 'deploy-seed'),
    principal: identityPrincipal('deploy'),
  });
  const manager = await jetstreamManager(connection.nats, { checkAPI: false });
  const stream = async (name: string): Promise<StreamState> => {
    const { config, state } = await manager.streams.info(name);
    return {
      name,
      config,
      messages: state.messages,
      bytes: state.bytes,
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
    };
  };
  return {
    stream,
    streams: async () => {
      const names: string[] = [];
      for await (const name of manager.streams.names()) names.push(name);
      return Promise.all(names.map(stream));
    },
    update: async (name, change) => {
      await manager.streams.update(name, { ...(await stream(name)).config, ...change });
    },
    close: () => connection.close(),
  };
}
