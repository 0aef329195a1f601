import { listFindings } from '@keymesh/contracts';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson, table } from '../output.js';

/** `findings`: what the anomaly detector found. */
export const findingsCommand = (): Command =>
  makeCommand(
    'findings',
    'What the anomaly detector found, newest first.',
    'keymesh findings --principal billing',
  )
    .option('--principal <name>', 'only about this principal')
    .action(async (options: CommonOptions & { readonly principal?: string }) => {
      await runCommand('findings', options, async (session) => {
        const request = options.principal === undefined ? {} : { principal: options.principal };
        const { findings } = await (await session.keymesh()).call(listFindings, request);
        if (options.json) {
          printJson(findings);
          return;
        }
        if (findings.length === 0) {
          note('No findings.');
          return;
        }
        print(
          table(findings, ['createdAt', 'severity', 'kind', 'principal', 'score', 'summary', 'response']),
        );
      });
    });
