import { setTimeout as sleep } from 'node:timers/promises';
import type { Keymesh } from '@keymesh/client';
import {
  cancelKeyJob,
  failure,
  keyJob,
  listKeyJobs,
  reencryptNamespace,
  rewrapKeys,
  type KeyJobProgress,
} from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, type CommonOptions } from '../command.js';
import { runKeyCommand } from '../key-command.js';
import { facts, note, print, printJson, table } from '../output.js';
import { makeProgress } from '../progress.js';

// `key rewrap|reencrypt`, which start jobs of the vault, and `key jobs|job|cancel`.

const POLL_MS = 1_000;

interface WaitOptions extends CommonOptions {
  readonly wait: boolean;
}

export function rewrapCommand(): Command {
  return makeCommand(
    'rewrap',
    'Wrap the data keys of a namespace, or of all, by the active key version. Values stay as they are.',
    'keymesh key rewrap billing',
  )
    .argument('[namespace]', 'default: all')
    .option(
      '--root',
      'wrap the key versions themselves, and the system keys, by the KMS as it is configured now',
    )
    .option('--no-wait', 'start it and return')
    .action(async (namespace: string | undefined, options: WaitOptions & { readonly root?: boolean }) => {
      await runKeyCommand(options, 'rewrap', async (keymesh) => {
        const request = { root: options.root === true, ...(namespace === undefined ? {} : { namespace }) };
        await follow(keymesh, (await keymesh.call(rewrapKeys, request)).jobs, options);
      });
    });
}

export function reencryptCommand(): Command {
  return makeCommand(
    'reencrypt',
    'Encrypt every version of a namespace, or of one credential, under a new data key.',
    'keymesh key reencrypt billing',
  )
    .argument('[namespace]')
    .option('--credential <name>', 'only this credential')
    .option('--no-wait', 'start it and return')
    .action(
      async (namespace: string | undefined, options: WaitOptions & { readonly credential?: string }) => {
        const { credential } = options;
        if ((namespace === undefined) === (credential === undefined))
          throw failure('USAGE', { publicMessage: 'Name a namespace, or one credential with --credential.' });
        await runKeyCommand(options, 'reencrypt', async (keymesh) => {
          const request = credential === undefined ? { namespace } : { name: credential };
          await follow(keymesh, [(await keymesh.call(reencryptNamespace, request)).job], options);
        });
      },
    );
}

export function jobsCommand(): Command {
  return makeCommand('jobs', 'Key jobs, running ones first.', 'keymesh key jobs').action(
    async (options: CommonOptions) => {
      await runKeyCommand(options, 'jobs', async (keymesh) =>
        show((await keymesh.call(listKeyJobs, {})).jobs, options),
      );
    },
  );
}

export function jobCommand(): Command {
  return makeCommand('job', 'How far a job has come.', 'keymesh key job 019373a0-…')
    .argument('<id>')
    .action(async (jobId: string, options: CommonOptions) => {
      await runKeyCommand(options, 'job', async (keymesh) => {
        const reply = await keymesh.call(keyJob, { jobId });
        if (options.json) printJson(reply);
        else print(facts(reply));
      });
    });
}

export function cancelCommand(): Command {
  return makeCommand('cancel', 'Stop a job. What it did holds.', 'keymesh key cancel 019373a0-…')
    .argument('<id>')
    .action(async (jobId: string, options: CommonOptions) => {
      await runKeyCommand(options, 'cancel', async (keymesh) => {
        const reply = await keymesh.call(cancelKeyJob, { jobId });
        if (options.json) printJson(reply);
        else print(`${jobId}: ${reply.state} after ${String(reply.done)} of ${String(reply.total)}.`);
      });
    });
}

/** Shows how jobs get on until they have ended. Ending this program does not end them. */
async function follow(
  keymesh: Keymesh,
  started: readonly KeyJobProgress[],
  options: WaitOptions,
): Promise<void> {
  if (!options.wait) {
    show(started, options);
    return;
  }
  const ended: KeyJobProgress[] = [];
  for (const { jobId, namespace, kind } of started) {
    const progress = makeProgress(`${kind} ${namespace ?? 'root'}`);
    for (;;) {
      const now = await keymesh.call(keyJob, { jobId });
      progress.show(now.done, now.total, now.state === 'running' ? now.error : null);
      if (now.state !== 'running') {
        ended.push(now);
        break;
      }
      await sleep(POLL_MS);
    }
    progress.end();
  }
  show(ended, options);
  failUnlessWhole(ended);
}

function failUnlessWhole(ended: readonly KeyJobProgress[]): void {
  const damaged = ended.reduce((sum, one) => sum + one.damaged, 0);
  if (damaged > 0) {
    throw failure('CREDENTIAL_DAMAGED', {
      publicMessage: `${String(damaged)} versions do not open and were left as they are. \`keymesh fsck vault\` names them; restore them from a backup.`,
    });
  }
  const broken = ended.find(({ state }) => state !== 'completed');
  if (broken === undefined) return;
  throw failure('INTERNAL', {
    publicMessage: `The job ${broken.jobId} is ${broken.state}${broken.error === null ? '' : ` (${broken.error})`}. What it did holds; start it again to go on.`,
  });
}

function show(list: readonly KeyJobProgress[], { json }: CommonOptions): void {
  if (json) {
    printJson(list);
    return;
  }
  if (list.length === 0) {
    note('No key jobs.');
    return;
  }
  const rows = list.map((one) => ({ ...one, progress: `${String(one.done)}/${String(one.total)}` }));
  print(
    table(rows, [
      'jobId',
      'kind',
      'namespace',
      'state',
      'progress',
      'damaged',
      'error',
      'startedBy',
      'startedAt',
    ]),
  );
}
