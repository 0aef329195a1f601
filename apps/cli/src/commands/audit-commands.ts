import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Keymesh } from '@keymesh/client';
import { failure, getCheckpoint, listAuditEvents, type ReplyOf } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import { parseNoteVerifier, verifyLog } from '@keymesh/transparency-log';
import { Command, Option } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { wholeNumber } from '../option-values.js';
import { note, print, printJson } from '../output.js';

type AuditEvent = ReplyOf<typeof listAuditEvents>['events'][number];
const TAIL_INTERVAL_MS = 500;

/** `audit tail|export|checkpoint|key|verify`. */
export const auditCommand = (): Command =>
  new Command('audit')
    .description('The provable log of everything that happened.')
    .addCommand(tail())
    .addCommand(exportLog())
    .addCommand(checkpoint())
    .addCommand(key())
    .addCommand(verify());

/** Every entry from an index up to the end of the ledger as it is then, in order. */
async function* entries(keymesh: Keymesh, fromIndex: number): AsyncGenerator<AuditEvent> {
  for (let next = fromIndex; ;) {
    const { events } = await keymesh.call(listAuditEvents, { fromIndex: next, limit: 500 });
    yield* events;
    const last = events.at(-1);
    if (last === undefined) return;
    next = last.index + 1;
  }
}

function tail(): Command {
  return makeCommand('tail', 'Follow the log as it grows. Ctrl-C ends.', 'keymesh audit tail')
    .option('--from <index>', 'start at this index (default: the last ten)')
    .option('--count <n>', 'end after this many')
    .action(async (options: CommonOptions & { readonly from?: string; readonly count?: string }) => {
      await runCommand('audit tail', options, async (session) => {
        const from = options.from === undefined ? undefined : wholeNumber('--from', options.from);
        const keymesh = await session.keymesh();
        const { treeSize } = await keymesh.call(listAuditEvents, { fromIndex: 0, limit: 1 });
        let next = from ?? Math.max(0, treeSize - 10);
        let left = options.count === undefined ? Infinity : wholeNumber('--count', options.count);
        while (left > 0) {
          for await (const entry of entries(keymesh, next)) {
            next = entry.index + 1;
            if (options.json)
              printJson({
                index: entry.index,
                leafHash: entry.leafHash,
                ...(JSON.parse(entry.leaf) as object),
                beside: entry.beside,
              });
            else print(line(entry));
            if (--left <= 0) return;
          }
          await new Promise((resolve) => setTimeout(resolve, TAIL_INTERVAL_MS));
        }
      });
    });
}

function line({ index, leaf, beside }: AuditEvent): string {
  const record = JSON.parse(leaf) as {
    time: string;
    type: string;
    outcome: string;
    principal?: string;
    code?: string;
    facts?: Readonly<Record<string, unknown>>;
    resource?: { kind: string; id?: string; version?: number };
  };
  const resource = beside?.name ?? record.resource?.id ?? '';
  const version = record.resource?.version === undefined ? '' : ` v${record.resource.version}`;
  // Why it was refused: a word of ours, never what somebody sent.
  const reason = record.facts?.reason;
  const told = [record.code, typeof reason === 'string' ? `(${reason})` : undefined]
    .filter((part) => part !== undefined)
    .join(' ');
  return `${String(index).padStart(6)}  ${record.time}  ${record.outcome.padEnd(7)}  ${record.type.padEnd(26)}  ${(record.principal ?? '-').padEnd(16)}  ${resource}${version}${told === '' ? '' : `  ${told}`}`;
}

function exportLog(): Command {
  return makeCommand(
    'export',
    'Write the exact leaf bytes, one a line, in index order.',
    'keymesh audit export --format jsonl > log.jsonl',
  )
    .addOption(new Option('--format <format>', 'jsonl').choices(['jsonl']).default('jsonl'))
    .option('--from <index>', 'start at this index', '0')
    .action(async (options: CommonOptions & { readonly from: string }) => {
      await runCommand('audit export', options, async (session) => {
        const from = wholeNumber('--from', options.from);
        for await (const { leaf } of entries(await session.keymesh(), from)) print(leaf);
      });
    });
}

function checkpoint(): Command {
  return makeCommand(
    'checkpoint',
    'The newest signed checkpoint (C2SP signed note). Keep it elsewhere.',
    'keymesh audit checkpoint > checkpoint.txt',
  ).action(async (options: CommonOptions) => {
    await runCommand('audit checkpoint', options, async (session) => {
      const reply = await (await session.keymesh()).call(getCheckpoint, {});
      if (options.json) printJson(reply);
      else process.stdout.write(reply.checkpoint);
    });
  });
}

function key(): Command {
  return makeCommand(
    'key',
    'The key that verifies checkpoints (note format). Pin it elsewhere.',
    'keymesh audit key > log.key',
  ).action(async (options: CommonOptions) => {
    await runCommand('audit key', options, async (session) => {
      const { verifierKey } = await (await session.keymesh()).call(getCheckpoint, {});
      if (options.json) printJson({ verifierKey });
      else print(verifierKey);
    });
  });
}

interface VerifyOptions extends CommonOptions {
  readonly key?: string;
  readonly checkpoint?: string;
}

function verify(): Command {
  return makeCommand(
    'verify',
    'Recompute the whole log from its leaves and compare it with the signed checkpoint.',
    'keymesh audit verify --key log.key --checkpoint checkpoint.txt',
  )
    .option('--key <file>', 'the verifier key that you pinned')
    .option('--checkpoint <file>', 'a checkpoint that you kept elsewhere')
    .action(async (options: VerifyOptions) => {
      await runCommand('audit verify', options, async (session) => {
        const keymesh = await session.keymesh();
        const newest = await keymesh.call(getCheckpoint, {});
        const folder = join(session.home, 'verified');
        const keyText =
          options.key === undefined ? newest.verifierKey : (await readNamed(options.key)).trim();
        const verifier = parseNoteVerifier(keyText);
        if (verifier === undefined)
          throw failure('USAGE', {
            publicMessage: 'The key is not a verifier key: <name>+<hash>+<base64>. See `keymesh audit key`.',
          });
        const kept = options.checkpoint === undefined ? undefined : await readNamed(options.checkpoint);
        const leaves = async function* (): AsyncGenerator<Uint8Array> {
          for await (const { leaf } of entries(keymesh, 0)) yield utf8(leaf);
        };
        const result = await verifyLog({
          leaves: leaves(),
          checkpoint: newest.checkpoint,
          verifier,
          previousCheckpoint: kept,
        });
        if (options.json)
          printJson({
            ok: result.ok,
            standing: result.standing,
            treeSize: result.checkpoint?.size,
            checks: result.checks,
          });
        else {
          for (const { check, ok, detail } of result.checks)
            print(`${ok ? '✓' : '✗'} ${check}${detail === undefined ? '' : ` (${detail})`}`);
          print(`${result.coveredLeaves} leaves: ${result.standing}`);
        }
        if (!result.ok) throw failure('LOG_INCONSISTENT');
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFile(join(folder, 'checkpoint.txt'), newest.checkpoint);
        if (kept === undefined)
          note(
            `Nobody could notice a rewritten history by this alone. This checkpoint is kept in ${folder}; copy it elsewhere and pass it with --checkpoint next time.`,
          );
      });
    });
}

async function readNamed(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw failure('USAGE', {
      publicMessage: 'The key or checkpoint file cannot be read. Check its path.',
      cause,
    });
  });
}
