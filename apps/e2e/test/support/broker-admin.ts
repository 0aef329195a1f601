import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityPrincipal } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { connectMesh, type MeshConnection } from '@keymesh/mesh';
import { eventually } from '@keymesh/testing';
import { connect, nkeyAuthenticator, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { meshStatus } from './kill.js';
import type { RunningMesh } from './running-mesh.js';

/**
 * The vault, so that its answers go wherever they are asked for, and the user that becomes the administrator. (A new user would need another start of
 * the server: only then it reads the list of those whom it does not ask policy about.)
 */
const USERS = /(# (?:deploy|vault)\n\s*\{ nkey: "\w+"), permissions: \{[^}]*\{[^}]*\}[^}]*\{[^}]*\}\s*\}/g;

/** Somebody who owns the nats-server: a user of the account MESH whom nothing is forbidden, and the server's configuration. */
export interface BrokerAdmin {
  /** May publish and hear every subject of the account where the services, the journal and JetStream are. */
  readonly nats: NatsConnection;
  /** Everything that was said there since {@link becomeBrokerAdmin}. */
  readonly heard: readonly Msg[];
  /** From now on what is published on this subject goes nowhere but here; the publisher is told that JetStream stored it. @returns what was kept back. */
  divert(subject: string): Promise<Msg[]>;
  /** All goes its way again. */
  letThrough(): Promise<void>;
  /** A connection with the same rights, as the mesh's own code uses one. */
  connect(): Promise<MeshConnection>;
  close(): Promise<void>;
}

/** Rewrites the configuration of the mesh's own server and has it read again. Lasts until the launcher starts the server anew. */
export async function becomeBrokerAdmin(mesh: RunningMesh): Promise<BrokerAdmin> {
  const file = join(mesh.home, 'nats/server.conf');
  const own = await readFile(file, 'utf8');
  const withAdmin = own.replace(USERS, '$1');
  if (withAdmin === own) throw new Error('the configuration has no such user');
  const use = async (text: string): Promise<void> => {
    const { pid } = (await meshStatus(mesh)).services.nats;
    if (pid === undefined) throw new Error('nats-server does not run');
    const log = join(mesh.home, 'logs/nats.log');
    const before = reloads(await readFile(log, 'utf8'));
    await writeFile(file, text);
    process.kill(pid, 'SIGHUP');
    await eventually(async () => {
      const said = await readFile(log, 'utf8');
      if (reloads(said) === before) throw new Error(`not reloaded: ${said.slice(-1_500)}`);
    });
  };
  await use(withAdmin);
  const seed = await readFile(join(mesh.home, 'secrets/deploy/nats.seed'));
  const nats = await connect({
    servers: mesh.natsUrl,
    authenticator: nkeyAuthenticator(Buffer.from(seed.toString('utf8').trim())),
    maxReconnectAttempts: -1,
  });
  const heard: Msg[] = [];
  nats.subscribe('>', { callback: (_error, msg) => void heard.push(msg) });
  await nats.flush();
  return {
    nats,
    heard,
    divert: async (subject) => {
      const kept: Msg[] = [];
      const away = `kept.back.${randomBytes(6).toString('hex')}`;
      nats.subscribe(away, {
        callback: (_error, msg) => {
          kept.push(msg);
          msg.respond(JSON.stringify({ stream: 'JOURNAL', seq: 1_000_000 + kept.length }));
        },
      });
      await nats.flush();
      await use(
        withAdmin.replace(
          '    jetstream: enabled\n',
          `    jetstream: enabled\n    mappings: { "${subject}": "${away}" }\n`,
        ),
      );
      return kept;
    },
    letThrough: () => use(withAdmin),
    connect: () =>
      connectMesh({
        servers: mesh.natsUrl,
        nkeySeed: Secret.fromText(seed.toString('utf8').trim(), 'admin-seed'),
        principal: identityPrincipal('deploy'),
      }),
    close: async () => {
      await nats.close();
      await use(own);
    },
  };
}

const reloads = (log: string): number => log.split('Reloaded server configuration').length;
