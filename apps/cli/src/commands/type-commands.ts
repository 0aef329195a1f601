import {
  checkQuality,
  CREDENTIAL_TYPES,
  describeType,
  failure,
  listTypes,
  type TypeDescription,
} from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, print, printJson, table } from '../output.js';
import { readParts, type PartOptions } from '../part-input.js';

/** type list, type describe, type check: what a value of a type is, and how good one would be. */
export const typeCommand = (): Command =>
  new Command('type')
    .description('Credential types: which there are, what a value of one is, how good a value would be.')
    .addCommand(list())
    .addCommand(describe())
    .addCommand(check());

function list(): Command {
  return makeCommand('list', 'List the credential types.', 'keymesh type list').action(
    async (options: CommonOptions) => {
      await runCommand('type list', options, async (session) => {
        const { types } = await (await session.keymesh()).call(listTypes, {});
        if (options.json) printJson(types);
        else
          print(
            table(
              types.map(({ type, parts, generates, summary }) => ({
                ...{ type, summary, parts: parts.map(partName), generated: generates },
              })),
              ['type', 'parts', 'generated', 'summary'],
            ),
          );
      });
    },
  );
}

const partName = ({ name, required }: TypeDescription['parts'][number]): string =>
  required ? name : `[${name}]`;

interface DescribeOptions extends CommonOptions {
  readonly namespace: string;
}

function describe(): Command {
  return makeCommand(
    'describe',
    'The parts of a type, and the credential policy that holds for it in a namespace.',
    'keymesh type describe tls_certificate --namespace billing',
  )
    .argument('<type>')
    .option('--namespace <name>', 'where the policy is asked of', 'default')
    .action(async (type: string, options: DescribeOptions) => {
      await runCommand('type describe', options, async (session) => {
        const { namespace } = options;
        const described = await (await session.keymesh()).call(describeType, { type, namespace });
        if (options.json) {
          printJson(described);
          return;
        }
        const { parts, policy, ...rest } = described;
        const { rules, ...limits } = policy;
        print(facts({ ...rest, ...limits }));
        print(`\n${table(parts, ['name', 'secret', 'required', 'format', 'maxBytes', 'summary'])}`);
        const rows = Object.entries(rules).map(([rule, strictness]) => ({ rule, strictness }));
        print(`\n${table(rows, ['rule', 'strictness'])}`);
      });
    });
}

interface CheckOptions extends CommonOptions, Omit<PartOptions, 'generate'> {
  readonly namespace: string;
  readonly provider?: string;
}

function check(): Command {
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  return makeCommand(
    'check',
    'Judge a value as a store would, and store nothing. The value comes from a hidden prompt, a file or standard input.',
    'keymesh type check username_password --username app',
  )
    .argument('<type>', `one of ${CREDENTIAL_TYPES.join(', ')}`)
    .option('--namespace <name>', 'whose policy holds', 'default')
    .option('--provider <name>', 'whose credential it is')
    .option('--value-file <path>', 'read the value from this file (- for standard input)')
    .option('--part <name=text>', 'a part that is no secret; repeat for more', collect)
    .option('--part-file <name=path>', 'any part, read from a file; repeat for more', collect)
    .option('--username <name>', 'the same as --part username=NAME')
    .action(async (type: string, options: CheckOptions) => {
      await runCommand('type check', options, async (session) => {
        const keymesh = await session.keymesh();
        const { types } = await keymesh.call(listTypes, {});
        const described = types.find((candidate) => candidate.type === type);
        if (described === undefined) throw failure('CREDENTIAL_TYPE_UNKNOWN');
        using parts = await readParts('the value', described, options);
        const { namespace, provider } = options;
        const quality = await keymesh.call(checkQuality, {
          ...{ type, namespace, values: parts.values },
          ...(provider === undefined ? {} : { provider }),
        });
        if (options.json) {
          printJson(quality);
          return;
        }
        const { score, findings, expiresAt, facts: read } = quality;
        print(facts({ score, expiresAt, ...read }));
        if (findings.length > 0) print(`\n${table(findings, ['severity', 'rule', 'advice'])}`);
      });
    });
}
