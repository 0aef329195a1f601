import { setTimeout as sleep } from 'node:timers/promises';
import type { Keymesh } from '@keymesh/client';
import {
  cancelKeyJob,
  destroyKey,
  failure,
  keyJob,
  keyStatus,
  listKeyJobs,
  reencryptNamespace,
  rewrapKeys,
  rotateKey,
  type KeyJobProgress,
} from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, note, print, printJson, table } from '../output.js';
import { makeProgress } from '../progress.js';

/** `key status|rotate|rewrap|reencrypt|jobs|job|cancel|destroy`. */
export const keyCommand = (): Command =>
  new Command('key')
    .description('The keys of namespaces: rotate, rewrap, reencrypt.')
    .addCommand(status())
    .addCommand(rotate())
    .addCommand(rewrap())
    .addCommand(reencrypt())
    .addCommand(jobs())
    .addCommand(job())
    .addCommand(cancel())
    .addCommand(destroy());

const POLL_MS = 1_000;
const keysOf = (options: CommonOptions, name: string, work: (keymesh: Keymesh) => Promise<void>) =>
  runCommand(`key ${name}`, options, async (session) => work(await session.keymesh()));

function status(): Command {
  return makeCommand(
    'status',
    'Key versions, their age, and how much each still wraps.',
    'keymesh key status',
  )
    .argument('[namespace]', 'only of this namespace')
    .action(async (namespace: string | undefined, options: CommonOptions) => {
      await keysOf(options, 'status', async (keymesh) => {
        const reply = await keymesh.call(keyStatus, namespace === undefined ? {} : { namespace });
        if (options.json) {
          printJson(reply);
          return;
        }
        const rows = reply.keks.map((kek) => ({
          ...kek,
          age: days(kek.ageSeconds),
          wrappedBy: kek.provider,
        }));
        print(table(rows, ['namespace', 'version', 'state', 'age', 'rows', 'wrappedBy', 'providerKeyId']));
        for (const { purpose, provider, providerKeyId } of reply.systemKeys)
          print(`system key ${purpose}: ${provider} ${providerKeyId}`);
        print(`wrapped from now on by: ${reply.root.provider} ${reply.root.providerKeyId}`);
      });
    });
}

const days = (seconds: number): string => `${(seconds / 86_400).toFixed(1)} d`;

function rotate(): Command {
  return makeCommand(
    'rotate',
    'Give a namespace a new key version. Older ones go on opening what they wrapped.',
    'keymesh key rotate billing',
  )
    .argument('<namespace>')
    .action(async (namespace: string, options: CommonOptions) => {
      await keysOf(options, 'rotate', async (keymesh) => {
        const reply = await keymesh.call(rotateKey, { namespace });
        if (options.json) {
          printJson(reply);
          return;
        }
        print(`${namespace}: key version ${String(reply.version)} wraps from now on.`);
        note(`Move what older versions wrap with \`keymesh key rewrap ${namespace}\`.`);
      });
    });
}

interface WaitOptions extends CommonOptions {
  readonly wait: boolean;
}

function rewrap(): Command {
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
      await keysOf(options, 'rewrap', async (keymesh) => {
        const request = { root: options.root === true, ...(namespace === undefined ? {} : { namespace }) };
        await follow(keymesh, (await keymesh.call(rewrapKeys, request)).jobs, options);
      });
    });
}

function reencrypt(): Command {
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
        await keysOf(options, 'reencrypt', async (keymesh) => {
          const request = credential === undefined ? { namespace } : { name: credential };
          await follow(keymesh, [(await keymesh.call(reencryptNamespace, request)).job], options);
        });
      },
    );
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

function jobs(): Command {
  return makeCommand('jobs', 'Key jobs, running ones first.', 'keymesh key jobs').action(
    async (options: CommonOptions) => {
      await keysOf(options, 'jobs', async (keymesh) =>
        show((await keymesh.call(listKeyJobs, {})).jobs, options),
      );
    },
  );
}

function job(): Command {
  return makeCommand('job', 'How far a job has come.', 'keymesh key job 019373a0-…')
    .argument('<id>')
    .action(async (jobId: string, options: CommonOptions) => {
      await keysOf(options, 'job', async (keymesh) => {
        const reply = await keymesh.call(keyJob, { jobId });
        if (options.json) printJson(reply);
        else print(facts(reply));
      });
    });
}

function cancel(): Command {
  return makeCommand('cancel', 'Stop a job. What it did holds.', 'keymesh key cancel 019373a0-…')
    .argument('<id>')
    .action(async (jobId: string, options: CommonOptions) => {
      await keysOf(options, 'cancel', async (keymesh) => {
        const reply = await keymesh.call(cancelKeyJob, { jobId });
        if (options.json) printJson(reply);
        else print(`${jobId}: ${reply.state} after ${String(reply.done)} of ${String(reply.total)}.`);
      });
    });
}

function destroy(): Command {
  return makeCommand(
    'destroy',
    'Destroy a retired key version that wraps nothing any more.',
    'keymesh key destroy billing 1',
  )
    .argument('<namespace>')
    .argument('<version>')
    .action(async (namespace: string, version: string, options: CommonOptions) => {
      if (!/^[1-9]\d{0,8}$/.test(version))
        throw failure('USAGE', {
          publicMessage: 'The version is a number from 1. See `keymesh key status`.',
        });
      await keysOf(options, 'destroy', async (keymesh) => {
        const reply = await keymesh.call(destroyKey, { namespace, version: Number(version) });
        if (options.json) printJson(reply);
        else print(`${namespace}: key version ${version} is destroyed.`);
      });
    });
}
