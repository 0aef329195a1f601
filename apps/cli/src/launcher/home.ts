import { join } from 'node:path';
import { SERVICES } from '@keymesh/contracts';
import { makeFolder } from './files.js';

/** Names in KEYMESH_HOME, in one place. */
export interface Home {
  readonly root: string;
  readonly trust: string;
  readonly genesis: string;
  readonly masterKey: string;
  readonly facts: string;
  /** Written last at initialisation, and whenever the database is brought up to date. */
  readonly marker: string;
  /** There while a restore is under way: nothing starts on a home that is half restored. */
  readonly restoring: string;
  /** Files of the backup that is being restored, before they are put in their places. */
  readonly restoringFiles: string;
  readonly postgres: string;
  readonly nats: { readonly config: string; readonly accounts: string; readonly jetstream: string };
  /** Of the embedded NATS server, where KEYMESH_NATS_TLS is on. */
  readonly natsTls: {
    readonly authority: string;
    readonly authorityKey: string;
    readonly certificate: string;
    readonly key: string;
  };
  readonly traces: string;
  /** Compiled JavaScript of the services; may be deleted. */
  readonly compileCache: string;
  secret(owner: string, name: string): string;
  /** A service's channel keys until they end. Outside `secrets`, because nothing may ever copy them. */
  channelKeys(service: string): string;
  run(name: string): string;
  log(name: string): string;
  profile(name: string): string;
}

/** Names the files of a home; makes nothing. */
export const homeAt = (root: string): Home => ({
  root,
  trust: join(root, 'trust.json'),
  genesis: join(root, 'genesis.json'),
  masterKey: join(root, 'master.key'),
  facts: join(root, 'mesh.json'),
  marker: join(root, 'initialised.json'),
  restoring: join(root, 'restoring.json'),
  restoringFiles: join(root, 'restoring'),
  postgres: join(root, 'postgres'),
  nats: {
    config: join(root, 'nats', 'server.conf'),
    accounts: join(root, 'nats', 'accounts.conf'),
    jetstream: join(root, 'nats', 'jetstream'),
  },
  natsTls: {
    authority: join(root, 'nats', 'tls', 'authority.pem'),
    authorityKey: join(root, 'nats', 'tls', 'authority.key'),
    certificate: join(root, 'nats', 'tls', 'server.pem'),
    key: join(root, 'nats', 'tls', 'server.key'),
  },
  traces: join(root, 'traces'),
  compileCache: join(root, 'cache'),
  secret: (owner, name) => join(root, 'secrets', owner, name),
  channelKeys: (service) => join(root, 'channel-keys', service),
  run: (name) => join(root, 'run', name),
  log: (name) => join(root, 'logs', `${name}.log`),
  profile: (name) => join(root, 'profiles', `${name}.json`),
});

/** Makes the folders, each 0700. */
export function makeHome(home: Home): void {
  makeFolder(home.root);
  for (const folder of [
    'secrets',
    'nats',
    'nats/jetstream',
    'nats/tls',
    'run',
    'logs',
    'profiles',
    'traces',
    'cache',
    'channel-keys',
  ]) {
    makeFolder(join(home.root, folder));
  }
  for (const owner of [...SERVICES, 'deploy', 'sys', 'postgres'])
    makeFolder(join(home.root, 'secrets', owner));
}
