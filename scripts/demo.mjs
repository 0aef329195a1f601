// npm run demo: a credential goes round, with a sentence for each step. Uses the same commands that a person would type.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { projectNode } from './provision/dependencies.mjs';

/** @param {{ root: string, env: NodeJS.ProcessEnv }} options of a mesh that is ready. */
export async function demo({ root, env }) {
  const suffix = randomBytes(3).toString('hex'); // so that the demo can be run again on the same data
  const name = `demo/market-data-${suffix}`;
  const generated = `demo/session-key-${suffix}`;
  const reader = `demo-reader-${suffix}`;

  const keymesh = (args, input = '') =>
    new Promise((resolve, reject) => {
      const child = spawn(projectNode(root), [join(root, 'apps/cli/bin/keymesh.js'), ...args], {
        cwd: root,
        env,
      });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk) => (stdout += chunk));
      child.stderr.on('data', (chunk) => (stderr += chunk));
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout, stderr }));
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  const show = async (sentence, args, { input, hide = false, expect = 0 } = {}) => {
    console.log(
      `\n${sentence}\n$ npx keymesh ${args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)).join(' ')}`,
    );
    const result = await keymesh(args, input);
    const text = `${result.stderr}${result.stdout}`.trimEnd();
    console.log(hide ? `(${result.stdout.length} bytes, not shown here)` : text.replace(/^/gm, '  '));
    if (result.code !== expect)
      throw new Error(`the demo stopped: exit code ${result.code}, expected ${expect}`);
    return result;
  };

  console.log('\nA round through the mesh.');
  await show(
    '1. An API key goes in. Its value comes from standard input, never from an argument.',
    ['store', name, '--type', 'api_key', '--provider', 'alpha_vantage', '--description', 'Market data'],
    { input: `Ak1-${randomBytes(20).toString('base64url')}` },
  );
  await show(
    '2. A password that is too weak is refused, and says why. Nothing is stored.',
    ['store', `demo/weak-${suffix}`, '--type', 'username_password', '--username', 'app'],
    { input: 'password', expect: 1 },
  );
  await show(
    '3. It comes out as its exact bytes; before that, its audit record is on disk.',
    ['retrieve', name],
    { hide: true },
  );
  await show('4. The vault can make a value itself …', ['store', generated, '--generate']);
  await show('5. … and rotate it: create, set, test, finish. The old version still works for a while.', [
    'rotate',
    generated,
  ]);
  await show('6. Its history.', ['history', generated]);
  const { stdout: token } = await show(
    '7. A service is invited: an operator signs who it is and what it may do. The token works once.',
    ['principal', 'create', reader, '--kind', 'service', '--role', 'reader'],
  );
  console.log(
    '\n8. The service makes its own keys with the token; they never leave its machine.\n$ npx keymesh enrol --token …',
  );
  await keymesh(['enrol', '--token', token.trim()]);
  await show('9. It may read …', ['retrieve', name, '--profile', reader], { hide: true });
  await show('10. … but not write: default deny.', ['store', `demo/mine-${suffix}`, '--profile', reader], {
    input: `Ak1-${randomBytes(20).toString('base64url')}`,
    expect: 3,
  });
  await show('11. All of it is in the log, the denial too.', ['audit', 'tail', '--count', '10']);
  await show(
    '12. And the log proves itself: every leaf is hashed again and compared with the signed checkpoint.',
    ['audit', 'verify'],
  );
  const { stderr } = await keymesh(['retrieve', name, '--verbose']);
  const trace = /trace: ([0-9a-f]{32})/.exec(stderr)?.[1] ?? '';
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // spans are exported in batches
  await show('13. One retrieve, seen from the client to the detector.', ['trace', trace]);
  console.log('\nThat was the round. `npm start` keeps the mesh running; `npx keymesh --help` has the rest.');
}
