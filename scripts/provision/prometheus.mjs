import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hasDebian, unpackDebianPackage } from './debian.mjs';
import { SayError, step } from './progress.mjs';
import { which } from './run.mjs';

/**
 * Provides Prometheus for the test that runs the dashboard's queries: KEYMESH_PROMETHEUS, PATH, the project's cache, or Debian's package, unpacked
 * into the cache.
 * @param {{ root: string }} options
 * @returns {Promise<string>} path of the binary.
 */
export async function providePrometheus({ root }) {
  const given = process.env.KEYMESH_PROMETHEUS;
  if (given !== undefined && given !== '') return given;
  const installed = which('prometheus');
  if (installed !== undefined) return installed;
  const folder = join(root, '.keymesh-tools', 'prometheus');
  const binary = join(folder, 'usr', 'bin', 'prometheus');
  if (existsSync(binary)) return binary;
  if (!hasDebian())
    throw new SayError(
      'The dashboard test needs Prometheus. Install it (https://prometheus.io/download) and put it into PATH.',
    );
  await step("Getting Prometheus (Debian's package)", (note) =>
    unpackDebianPackage('prometheus', folder, note),
  );
  return binary;
}
