// npm run build: dependencies, then every project, incrementally. `--force` compiles everything anew.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuild } from './provision/build.mjs';
import { checkHost, ensureDependencies } from './provision/dependencies.mjs';
import { sayAndExit } from './provision/progress.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

try {
  checkHost();
  await ensureDependencies({ root });
  const { built } = await ensureBuild({ root, force: process.argv.includes('--force') });
  console.log(built ? 'Built.' : 'Nothing has changed since the last build.');
} catch (error) {
  sayAndExit(error);
}
