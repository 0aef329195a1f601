import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Profile } from '@keymesh/client';
import type { LauncherConfig } from './config.js';
import { readJson, writeWhole } from './files.js';
import { readdressProfiles } from './genesis.js';
import type { Home } from './home.js';
import { describeRootKey } from './service-environment.js';

/** `mesh.json`: where the mesh is. Nothing secret. */
export interface Facts {
  readonly meshId: string;
  readonly natsUrl: string;
  /** PEM files that clients of that server need; undefined: none. */
  readonly natsTls?: Profile['tls'];
  readonly httpPort: number;
  /** Name of the audit log in its checkpoints. */
  readonly logOrigin: string;
  /** Absent with servers of the user's own. */
  readonly natsPort?: number;
  readonly postgresPort?: number;
}

/** Facts of the last start. @returns undefined before the first. */
export const readFacts = (home: Home): Facts | undefined => readJson(home.facts) as Facts | undefined;

/** Writes mesh.json, and the mesh's address into the profiles of this home: with `--auto-ports` it may have moved. */
export function rememberFacts(home: Home, facts: Facts): void {
  writeWhole(home.facts, `${JSON.stringify(facts, null, 2)}\n`);
  const names = readdirSync(dirname(home.profile('x'))).filter((name) => name.endsWith('.json'));
  readdressProfiles(
    home,
    names.map((name) => name.slice(0, -'.json'.length)),
    facts.meshId,
    // What profiles need for a server of the user's own, the user has said in them.
    {
      natsUrl: facts.natsUrl,
      ...(facts.natsPort === undefined ? {} : { caFile: facts.natsTls?.caFile ?? null }),
    },
  );
}

/** Versions for `keymesh status`. */
export function readVersions(config: LauncherConfig): Record<string, string> {
  const { version } = JSON.parse(readFileSync(join(config.root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { keymesh: version, node: process.versions.node, natsServer: natsServerVersion(config) };
}

function natsServerVersion(config: LauncherConfig): string {
  if (config.natsUrl !== undefined) return 'your own';
  try {
    return (
      /v(\S+)/.exec(execFileSync(config.natsServer, ['--version'], { encoding: 'utf8', env: {} }))?.[1] ??
      'unknown'
    );
  } catch {
    return 'unknown';
  }
}

/** What `GET /status` adds to the health of the parts. */
export const statusFacts = (
  config: LauncherConfig,
  facts: Facts | undefined,
  versions: Record<string, string>,
): Record<string, unknown> => ({
  ...facts,
  home: config.home,
  pid: process.pid,
  rootKey: describeRootKey(config.kms),
  plainReply: config.plainReply,
  versions,
});
