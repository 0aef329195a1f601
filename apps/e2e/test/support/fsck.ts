import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY, run, type CommandResult, type RunningMesh } from './running-mesh.js';

interface Facts {
  readonly postgresPort: number;
  readonly logOrigin: string;
}

const readFacts = async (mesh: RunningMesh): Promise<Facts> =>
  JSON.parse(await readFile(join(mesh.home, 'mesh.json'), 'utf8')) as Facts;

function runFsck(
  mesh: RunningMesh,
  { postgresPort }: Facts,
  service: 'audit' | 'vault',
  env: Readonly<Record<string, string>>,
): Promise<CommandResult> {
  return run(process.execPath, [join(REPOSITORY, `apps/${service}/dist/fsck.js`)], {
    env: {
      KEYMESH_DATABASE_URL: `postgres://keymesh_${service}@127.0.0.1:${String(postgresPort)}/keymesh`,
      KEYMESH_DATABASE_PASSWORD_FILE: join(mesh.home, 'secrets', service, 'database.password'),
      ...env,
    },
  });
}

/** Recomputes the whole ledger from its rows. */
export async function fsckLedger(mesh: RunningMesh): Promise<CommandResult> {
  const facts = await readFacts(mesh);
  return runFsck(mesh, facts, 'audit', {
    KEYMESH_CHECKPOINT_SEED_FILE: join(mesh.home, 'secrets/audit/checkpoint.seed'),
    KEYMESH_LOG_ORIGIN: facts.logOrigin,
  });
}

/** Opens every row and value of the vault. */
export async function fsckVault(mesh: RunningMesh): Promise<CommandResult> {
  return runFsck(mesh, await readFacts(mesh), 'vault', {
    KEYMESH_KMS: 'local',
    KEYMESH_KMS_MASTER_KEY_FILE: join(mesh.home, 'master.key'),
  });
}
