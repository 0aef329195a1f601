import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '@keymesh/contracts';
import type { Command } from 'commander';
import { z } from 'zod';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { ask, askLauncher } from '../launcher-http.js';
import { print, printJson } from '../output.js';
import { waterfall, type StoredSpan } from '../waterfall.js';

/** status, metrics, trace, nats-config: the mesh itself. */
export const meshCommands = (): Command[] => [status(), metrics(), traceCommand(), natsConfig()];

const statusReply = z.looseObject({
  status: z.string(),
  rootKey: z.string().optional(),
  services: z.record(z.string(), z.looseObject({ state: z.string() })),
});

function status(): Command {
  return makeCommand(
    'status',
    'Whether every part of the mesh runs, and how its root key is kept.',
    'keymesh status --json',
  ).action(async (options: CommonOptions) => {
    await runCommand('status', options, async (session) => {
      const facts = await session.facts();
      const reply = statusReply.parse(JSON.parse((await askLauncher(facts, '/status')).text));
      if (options.json) printJson(reply);
      else {
        print(
          `mesh:     ${reply.status}\nhome:     ${session.home}\nnats:     ${facts.natsUrl}\nhttp:     http://127.0.0.1:${facts.httpPort}\nroot key: ${reply.rootKey ?? 'unknown'}`,
        );
        for (const [service, { state }] of Object.entries(reply.services))
          print(`  ${service.padEnd(18)} ${state}`);
      }
      if (reply.status !== 'ready')
        throw failure('UNAVAILABLE', {
          publicMessage: 'The mesh is not ready: see the states above and the logs in KEYMESH_HOME/logs.',
        });
    });
  });
}

const targets = z.array(z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()) }));

function metrics(): Command {
  return makeCommand(
    'metrics',
    'The metrics of every service, in Prometheus text format.',
    'keymesh metrics | grep keymesh_operations_total',
  ).action(async (options: CommonOptions) => {
    await runCommand('metrics', options, async (session) => {
      const groups = targets.parse(
        JSON.parse((await askLauncher(await session.facts(), '/metrics/targets')).text),
      );
      const pages = await Promise.all(
        groups.flatMap(({ targets: hosts, labels }) =>
          hosts.map(async (host) => ({
            service: labels.service ?? labels.job ?? host,
            text: (await ask(`http://${host}${labels.__metrics_path__ ?? '/metrics'}`)).text,
          })),
        ),
      );
      if (options.json) printJson(Object.fromEntries(pages.map(({ service, text }) => [service, text])));
      else for (const { service, text } of pages) print(`# ---- ${service}\n${text.trimEnd()}`);
    });
  });
}

function traceCommand(): Command {
  return makeCommand(
    'trace',
    'One trace as a waterfall: client, bus, vault, journal, ledger, detector (embedded mode).',
    'keymesh trace 4bf92f3577b34da6a3ce929d0e0e4736',
  )
    .argument('<id>', 'trace id, 32 hex digits (see --verbose)')
    .action(async (id: string, options: CommonOptions) => {
      await runCommand('trace', options, async (session) => {
        if (!/^[0-9a-f]{32}$/.test(id))
          throw failure('USAGE', {
            publicMessage: 'A trace id is 32 hex digits. Run a command with --verbose to see its id.',
          });
        const reply = await askLauncher(await session.facts(), `/traces/${id}`);
        if (reply.status === 404)
          throw failure('USAGE', {
            publicMessage:
              'No spans of this trace are kept. Spans arrive within a few seconds; old ones are dropped.',
          });
        const { spans } = JSON.parse(reply.text) as { spans: StoredSpan[] };
        if (options.json) printJson(spans);
        else print(waterfall(spans));
      });
    });
}

function natsConfig(): Command {
  return makeCommand(
    'nats-config',
    'The accounts block for a NATS server of your own.',
    'keymesh nats-config > accounts.conf',
  ).action(async (options: CommonOptions) => {
    await runCommand('nats-config', options, async (session) => {
      const block = await readFile(join(session.home, 'nats', 'accounts.conf'), 'utf8').catch(
        (cause: unknown) => {
          throw failure('MESH_NOT_RUNNING', {
            publicMessage: 'No keys were made here yet. Run `npm start` once, then ask again.',
            cause,
          });
        },
      );
      if (options.json) printJson({ accounts: block });
      else print(block.trimEnd());
    });
  });
}
