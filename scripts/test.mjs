// npm test: provides everything, then checks and tests everything. `--unit`: the quick loop without servers.
// The last line is `N passed, N failed`; a skipped test counts as failed in CI.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuild } from './provision/build.mjs';
import { checkHost, ensureDependencies, projectNode } from './provision/dependencies.mjs';
import { provideNatsServer } from './provision/nats-server.mjs';
import { sayAndExit } from './provision/progress.mjs';
import { providePrometheus } from './provision/prometheus.mjs';
import { ensurePythonVenv } from './provision/python.mjs';
import { provideSofthsm } from './provision/softhsm.mjs';
import { provideWycheproof } from './provision/wycheproof.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const results = join(root, 'test-results');
const unitOnly = process.argv.includes('--unit');
const tally = { passed: 0, failed: 0, skipped: 0 };
const lines = [];

/** Runs one part with its output on this terminal. @returns the exit code. */
function runPart(args, env) {
  return new Promise((resolve) => {
    const child = spawn(projectNode(root), args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
}

function report(name, { passed, failed, skipped = 0 }, since) {
  tally.passed += passed;
  tally.failed += failed;
  tally.skipped += skipped;
  const mark = failed + skipped === 0 ? '✓' : '✗';
  const seconds = ((performance.now() - since) / 1000).toFixed(0);
  lines.push(
    `${mark} ${name.padEnd(34)} ${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`} (${seconds} s)`,
  );
}

/** A check that is one yes or no. */
async function check(name, args, env) {
  const since = performance.now();
  console.log(`\n── ${name}`);
  const code = await runPart(args, env);
  report(name, code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }, since);
}

/** A jest run over all projects; `pattern` picks files by path. */
async function jest(name, args, env) {
  const since = performance.now();
  console.log(`\n── ${name}`);
  const file = join(results, `${name.replaceAll(/\W+/g, '-')}.json`);
  const code = await runPart(
    [
      '--experimental-vm-modules',
      '--no-warnings',
      bin('jest/bin/jest.js'),
      '--json',
      `--outputFile=${file}`,
      ...args,
    ],
    env,
  );
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } =
      JSON.parse(readFileSync(file, 'utf8'));
    // A suite that does not even load has no tests to fail: it is one failure. So is a run that ends badly for any other reason.
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    report(
      name,
      {
        passed: numPassedTests,
        failed: failed === 0 && code !== 0 ? 1 : failed,
        skipped: numPendingTests + numTodoTests,
      },
      since,
    );
  } catch {
    report(name, { passed: 0, failed: 1 }, since);
  }
}

const bin = (path) => join(root, 'node_modules', path);

try {
  checkHost();
  await ensureDependencies({ root });
  await ensureBuild({ root });
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const base = {
    ...process.env,
    NX_DAEMON: 'false',
    PATH: `${dirname(projectNode(root))}${delimiter}${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`,
  };
  const env = unitOnly
    ? base
    : {
        ...base,
        NATS_SERVER: await provideNatsServer({ root }),
        KEYMESH_PYTHON: await ensurePythonVenv({ root }),
        KEYMESH_PROMETHEUS: await providePrometheus({ root }),
        KEYMESH_SOFTHSM: await provideSofthsm({ root }),
        KEYMESH_WYCHEPROOF: await provideWycheproof({ root }),
        // Some two hundred processes are started, each of which would compile everything anew.
        NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled-for-tests'),
      };

  if (!unitOnly) {
    await check('format', [bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.'], env);
    await check('generated reference', ['scripts/generate.mjs', '--check'], env);
    await check('typecheck', [bin('typescript7/bin/tsc'), '-b', 'tsconfig.json'], env);
    await check(
      'lint',
      // One process for all projects: each alone would load the types of all others again.
      [bin('eslint/bin/eslint.js'), '--max-warnings=0', 'libs', 'apps'],
      env,
    );
    await check('import fences', ['--test', 'tools/boundaries.spec.mjs'], env);
  }
  await jest('unit', ['--testPathPatterns', '/src/', '--maxWorkers=2'], env);
  if (!unitOnly) {
    await jest(
      'integration',
      ['--testPathPatterns', '/test/', '--testPathIgnorePatterns', '/apps/e2e/', '--maxWorkers=3'],
      env,
    );
    // Two meshes at once: each waits for most of its time.
    await jest('end to end', ['--testPathPatterns', '/apps/e2e/test/', '--maxWorkers=2'], env);
  }
  console.log(`\n${lines.join('\n')}`);
  const skippedFails = process.env.CI === 'true' ? tally.skipped : 0;
  const failed = tally.failed + skippedFails;
  console.log(`${tally.passed} passed, ${failed} failed`);
  process.exit(failed === 0 && tally.passed > 0 ? 0 : 1);
} catch (error) {
  sayAndExit(error);
}
