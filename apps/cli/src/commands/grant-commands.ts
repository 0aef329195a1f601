import {
  describePrincipal,
  failure,
  ROLES,
  setPrincipalRoles,
  type ReplyOf,
  type Role,
} from '@keymesh/contracts';
import { Argument, type Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { makeStatement } from '../make-statement.js';
import { print, printJson } from '../output.js';

const OWN_ROLES: readonly Role[] = ['locker'];
const roleArgument = (): Argument =>
  new Argument('<role...>', 'one or more').choices(ROLES.filter((role) => !OWN_ROLES.includes(role)));

/** `grant` and `ungrant`: the roles of a principal, signed by the operator's own key. */
export const grantCommands = (): readonly Command[] => [
  makeCommand('grant', 'Give a principal roles.', 'keymesh grant billing writer')
    .argument('<name>')
    .addArgument(roleArgument())
    .action(async (name: string, given: readonly Role[], options: CommonOptions) => {
      await runCommand('grant', options, (session) =>
        changeRoles(session, name, options, (roles) => [...new Set([...roles, ...given])]),
      );
    }),
  makeCommand('ungrant', 'Take roles from a principal.', 'keymesh ungrant billing writer')
    .argument('<name>')
    .addArgument(roleArgument())
    .action(async (name: string, taken: readonly Role[], options: CommonOptions) => {
      await runCommand('ungrant', options, (session) =>
        changeRoles(session, name, options, (roles) => roles.filter((role) => !taken.includes(role))),
      );
    }),
];

async function changeRoles(
  session: Session,
  principal: string,
  { json }: CommonOptions,
  change: (roles: readonly Role[]) => Role[],
): Promise<void> {
  const keymesh = await session.keymesh();
  const { roles: before, status } = await keymesh.call(describePrincipal, { principal });
  if (status === 'invited')
    throw failure('PRINCIPAL_NOT_FOUND', {
      publicMessage: `${principal} has not enrolled yet. Invite it again with the roles that it is to have.`,
    });
  const roles = change(before);
  const isSame = roles.length === before.length && roles.every((role) => before.includes(role));
  const reply = isSame ? undefined : await sendRoles(session, principal, before, roles);
  if (json === true) printJson({ principal, roles, bundleVersion: reply?.bundleVersion ?? null });
  else
    print(
      `${principal}: ${roles.length === 0 ? 'no roles' : roles.join(' ')}${isSame ? ' (as before)' : ''}`,
    );
}

async function sendRoles(
  session: Session,
  principal: string,
  before: readonly Role[],
  roles: readonly Role[],
): Promise<ReplyOf<typeof setPrincipalRoles>> {
  const statement = makeStatement(await session.profile(), {
    type: 'principal.roles-set',
    principal,
    before: [...before],
    roles: [...roles],
  });
  return (await session.keymesh()).call(setPrincipalRoles, { statement });
}
