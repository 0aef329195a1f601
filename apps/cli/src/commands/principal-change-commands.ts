import { randomUUID } from 'node:crypto';
import {
  describePrincipal,
  enablePrincipal,
  failure,
  lockPrincipal,
  principalAttributes,
  removePrincipalKeys,
  setPrincipalAttributes,
  type PrincipalAttributes,
} from '@keymesh/contracts';
import { signStatement } from '@keymesh/policy-engine';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { facts, print, printJson, table } from '../output.js';
import { signingKeyOfProfile } from '../rotate-keys.js';

/** `principal show`: what is known of it, and who said it when. */
export const showCommand = (): Command =>
  makeCommand(
    'show',
    'One principal: keys, roles, attributes, status, and who said what and when.',
    'keymesh principal show billing',
  )
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('principal show', options, async (session) => {
        const told = await (await session.keymesh()).call(describePrincipal, { principal: name });
        if (options.json) {
          printJson(told);
          return;
        }
        const { history, ...rest } = told;
        print(facts(rest));
        print(`\n${table(history, ['issuedAt', 'issuer', 'type', 'says'])}`);
      });
    });

/** `principal enable`: signed by the operator's own key, because it gives. */
export const enableCommand = (): Command =>
  makeCommand('enable', 'Give back what was disabled.', 'keymesh principal enable billing')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await runCommand('principal enable', options, async (session) => {
        const profile = await session.profile();
        const statement = signStatement(
          { ...said(profile, name), type: 'principal.status-set', status: 'active' },
          signingKeyOfProfile(profile),
        );
        const reply = await (await session.keymesh()).call(enablePrincipal, { statement });
        if (options.json) printJson(reply);
        else print(`Enabled ${name}.`);
      });
    });

/** `principal lock`: for a while. */
export const lockCommand = (): Command =>
  makeCommand(
    'lock',
    'Take a principal’s access away for a while; it comes back by itself.',
    'keymesh principal lock billing --seconds 600',
  )
    .argument('<name>')
    .option('--seconds <seconds>', 'how long, up to 86400', '900')
    .option('--reason <text>', 'for the record', 'by an operator')
    .action(
      async (
        name: string,
        options: CommonOptions & { readonly seconds: string; readonly reason: string },
      ) => {
        await runCommand('principal lock', options, async (session) => {
          const lockSeconds = Number(options.seconds);
          if (!Number.isInteger(lockSeconds) || lockSeconds < 1 || lockSeconds > 86_400)
            throw failure('USAGE', { publicMessage: '--seconds takes a whole number, 1 to 86400.' });
          const request = { principal: name, lockSeconds, reason: options.reason };
          const reply = await (await session.keymesh()).call(lockPrincipal, request);
          if (options.json) printJson(reply);
          else print(`Locked ${name} until ${reply.lockedUntil}.`);
        });
      },
    );

/** `principal remove-key`: by an operator, of whomever; the holder itself rotates. */
export const removeKeyCommand = (): Command =>
  makeCommand(
    'remove-key',
    'End keys of a principal; their sessions and connections end too.',
    'keymesh principal remove-key billing UABC…',
  )
    .argument('<name>')
    .argument('<key...>', 'nkeys or channel keys, as `keymesh principal show` tells them')
    // One channel key in 64 begins with a dash, and one in 4096 with -h. What is no key either is refused below.
    .helpOption('--help')
    .allowUnknownOption()
    .action(async (name: string, keys: readonly string[], options: CommonOptions) => {
      await runCommand('principal remove-key', options, async (session) => {
        const isNkey = (key: string): boolean => /^U[A-Z2-7]{55}$/.test(key);
        if (!keys.every((key) => isNkey(key) || /^[\w-]{43}$/.test(key)))
          throw failure('USAGE', {
            publicMessage: `A key is an nkey (U…) or a channel key, as \`keymesh principal show ${name}\` tells it.`,
          });
        const profile = await session.profile();
        const statement = signStatement(
          {
            ...said(profile, name),
            type: 'principal.keys-removed',
            nkeys: keys.filter(isNkey),
            channelKeys: keys.filter((key) => !isNkey(key)),
          },
          signingKeyOfProfile(profile),
        );
        const reply = await (await session.keymesh()).call(removePrincipalKeys, { statement });
        if (options.json) printJson(reply);
        else print(`Removed ${String(keys.length)} of the keys of ${name}.`);
      });
    });

interface AttributeOptions extends CommonOptions {
  readonly team?: string;
  readonly environment?: string;
  readonly network?: readonly string[];
  readonly label?: readonly string[];
}

/** `principal set-attributes`: all of them at once. */
export const setAttributesCommand = (): Command =>
  makeCommand(
    'set-attributes',
    'Say what a principal belongs to. All of it: what is not named is taken away.',
    'keymesh principal set-attributes billing --team payments --environment prod --label tier=gold',
  )
    .argument('<name>')
    .option('--team <team>')
    .option('--environment <environment>')
    .option('--network <cidr...>', 'CIDR blocks it belongs to')
    .option('--label <name=value...>')
    .action(async (name: string, options: AttributeOptions) => {
      await runCommand('principal set-attributes', options, async (session) => {
        const attributes = attributesOf(options);
        const profile = await session.profile();
        const statement = signStatement(
          { ...said(profile, name), type: 'principal.attributes-set', attributes },
          signingKeyOfProfile(profile),
        );
        const reply = await (await session.keymesh()).call(setPrincipalAttributes, { statement });
        if (options.json) printJson(reply);
        else print(`${name}: ${JSON.stringify(attributes)}`);
      });
    });

function attributesOf({ team, environment, network, label }: AttributeOptions): PrincipalAttributes {
  if (label?.some((text) => !text.includes('=')) === true)
    throw failure('USAGE', { publicMessage: '--label takes name=value.' });
  const labels = label?.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]);
  const parsed = principalAttributes.safeParse({
    ...(team === undefined ? {} : { team }),
    ...(environment === undefined ? {} : { environment }),
    ...(network === undefined ? {} : { networks: network }),
    ...(labels === undefined ? {} : { labels: Object.fromEntries(labels) as Record<string, string> }),
  });
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw failure('USAGE', { publicMessage: `These attributes cannot be set. ${fields}` });
}

const said = ({ meshId, principal: issuer }: { meshId: string; principal: string }, principal: string) => ({
  v: 1 as const,
  meshId,
  statementId: randomUUID(),
  issuedAt: new Date().toISOString(),
  issuer,
  principal,
});
