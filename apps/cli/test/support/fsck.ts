import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');

/** Runs `fsck.js` of a service over the embedded database of a home. */
export function fsck(home: string, service: 'vault' | 'audit'): Promise<{ code: number; stdout: string }> {
  const { postgresPort, logOrigin } = JSON.parse(readFileSync(join(home, 'mesh.json'), 'utf8')) as {
    postgresPort: number;
    logOrigin: string;
  };
  const env = {
    KEYMESH_DATABASE_URL: `postgres://keymesh_${service}@127.0.0.1:${String(postgresPort)}/keymesh`,
    KEYMESH_DATABASE_PASSWORD_FILE: join(home, 'secrets', service, 'database.password'),
    KEYMESH_KMS: 'local',
    KEYMESH_KMS_MASTER_KEY_FILE: join(home, 'master.key'),
    KEYMESH_CHECKPOINT_SEED_FILE: join(home, 'secrets/audit/checkpoint.seed'),
    KEYMESH_LOG_ORIGIN: logOrigin,
  };
  const program = join(ROOT, 'apps', service, 'dist', 'fsck.js');
  return new Promise((resolve) => {
    execFile(join(ROOT, 'node_modules/node/bin/node'), [program], { env }, (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    );
  });
}
