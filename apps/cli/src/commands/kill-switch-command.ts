import { randomUUID } from 'node:crypto';
import { connect } from '@keymesh/client';
import {
  failure,
  KILLABLE_ROLES,
  liftKillSwitch,
  listKillSwitches,
  setKillSwitch,
  toPublicError,
  type InForce,
  type KillScope,
} from '@keymesh/contracts';
import { signStatement } from '@keymesh/policy-engine';
import { Option, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { note, print, printJson, table } from '../output.js';
import { signingKeyOfProfile } from '../rotate-keys.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface SetOptions extends CommonOptions {
  readonly principal?: string;
  readonly role?: string;
  readonly namespace?: string;
  readonly everyone?: boolean;
  readonly reason?: string;
}

/** `kill-switch --principal|--role|--namespace|--everyone`, and `kill-switch list|lift`. */
export const killSwitchCommand = (): Command =>
  makeCommand(
    'kill-switch',
    'Stop a principal, the holders of a role, a namespace, or everyone but operators, now and until it is lifted.',
    'keymesh kill-switch --namespace billing --reason "key leaked"',
  )
    .option('--principal <name>', 'this principal')
    .addOption(new Option('--role <role>', 'all holders of a role; operators go on').choices(KILLABLE_ROLES))
    .option('--namespace <namespace>', 'what is in a namespace and below it')
    .option('--everyone', 'everyone but operators and the mesh’s own services')
    .option('--reason <text>', 'for the record')
    .action(async (options: SetOptions) => {
      await runCommand('kill-switch', options, async (session) => {
        const request = requestOf(options);
        const reply = await (
          await session.keymesh()
        )
          .call(setKillSwitch, request)
          .catch(async (error: unknown) => {
            throw (await isOut(session))
              ? failure(codeOf(error), { publicMessage: CUT_OFF, cause: error })
              : error;
          });
        if (options.json) {
          printJson(reply);
          return;
        }
        const stopped = request.scope === 'namespace' ? '' : ` Principals stopped: ${String(reply.stopped)}.`;
        print(`Kill switch ${reply.killId} is set: ${described(request)}.${stopped}`);
        tellInForce(reply.inForce);
        note(`Give back with: keymesh kill-switch lift ${reply.killId}`);
      });
    })
    // Its own options come before a subcommand's name, else they would take the subcommand's.
    .enablePositionalOptions()
    .addCommand(liftCommand())
    .addCommand(listCommand());

function requestOf({ principal, role, namespace, everyone, reason }: SetOptions) {
  const named: readonly (readonly [KillScope, string | undefined])[] = [
    ['principal', principal],
    ['role', role],
    // People write it with the slash that follows it in names.
    ['namespace', namespace?.replace(/\/+$/, '')],
  ];
  const given = named.filter(([, name]) => name !== undefined);
  const [first] = given;
  if (given.length + (everyone === true ? 1 : 0) !== 1)
    throw failure('USAGE', { publicMessage: 'Give one of --principal, --role, --namespace and --everyone.' });
  if (reason === undefined || reason === '')
    throw failure('USAGE', { publicMessage: 'Say why with --reason: it stands beside the audit record.' });
  if (first?.[1] === undefined) return { scope: 'everyone' as const, reason };
  return { scope: first[0], name: first[1], reason };
}

const CUT_OFF =
  'It is set and stops you too, so the answer, and who obeys, could not come back. Have an operator look: `keymesh kill-switch list`.';

const codeOf = (error: unknown) => toPublicError(error).code;

/** Whether the mesh refuses whoever it took a moment ago: the kill switch that it was asked for is in force. */
async function isOut(session: Session): Promise<boolean> {
  try {
    const keymesh = await connect({ profile: await session.profile() });
    await keymesh.close();
    return false;
  } catch (error) {
    return codeOf(error) === 'DENIED';
  }
}

const described = ({ scope, name }: { readonly scope: KillScope; readonly name?: string }): string =>
  scope === 'everyone' ? 'everyone but operators' : `${scope} ${name ?? ''}`;

/** Who obeyed, and who did not say so within a second. */
function tellInForce(inForce: InForce | undefined): void {
  if (inForce === undefined) return;
  print(`In force after ${String(inForce.withinMs)} ms at: ${inForce.confirmed.join(', ') || 'nobody'}.`);
  if (inForce.unconfirmed.length > 0)
    note(
      `NOT confirmed within a second by: ${inForce.unconfirmed.join(', ')}. Look at these now; docs/operations/incidents.md says how.`,
    );
}

function liftCommand(): Command {
  return makeCommand(
    'lift',
    'Give back what a kill switch took: signed by your own operator key.',
    'keymesh kill-switch lift 0198c1f2-3c4d-7e5f-8a9b-0c1d2e3f4a5b',
  )
    .argument('<id>', 'as `keymesh kill-switch list` tells it')
    .action(async (killId: string, options: CommonOptions) => {
      await runCommand('kill-switch lift', options, async (session) => {
        if (!UUID.test(killId))
          throw failure('USAGE', {
            publicMessage: 'Name the kill switch by its id, as `keymesh kill-switch list` tells it.',
          });
        const profile = await session.profile();
        const statement = signStatement(
          {
            v: 1,
            type: 'kill-switch.lifted',
            meshId: profile.meshId,
            statementId: randomUUID(),
            issuedAt: new Date().toISOString(),
            issuer: profile.principal,
            killId,
          },
          signingKeyOfProfile(profile),
        );
        const reply = await (await session.keymesh()).call(liftKillSwitch, { statement });
        if (options.json) {
          printJson(reply);
          return;
        }
        print(`Lifted ${killId}.`);
        tellInForce(reply.inForce);
      });
    });
}

function listCommand(): Command {
  return makeCommand('list', 'Kill switches in force.', 'keymesh kill-switch list')
    .option('--all', 'also those that were lifted')
    .action(async (options: CommonOptions & { readonly all?: boolean }) => {
      await runCommand('kill-switch list', options, async (session) => {
        const { killSwitches } = await (await session.keymesh()).call(listKillSwitches, {});
        const shown = killSwitches.filter(({ lifted }) => options.all === true || lifted === null);
        if (options.json) {
          printJson(shown);
          return;
        }
        const rows = shown.map(({ lifted, name = '', ...rest }) => ({
          ...rest,
          name,
          lifted: lifted === null ? '' : `${lifted.at} by ${lifted.by}`,
        }));
        print(table(rows, ['killId', 'scope', 'name', 'since', 'by', 'reason', 'lifted']));
      });
    });
}
