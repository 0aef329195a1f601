import { failure } from '@keymesh/contracts';
import { Command, CommanderError } from 'commander';
import { reportFailure } from './command.js';
import { approvalCommand } from './commands/approval-commands.js';
import { auditCommand } from './commands/audit-commands.js';
import { backupCommand } from './commands/backup-commands.js';
import { batchCommand } from './commands/batch-commands.js';
import { breakGlassCommand } from './commands/break-glass-commands.js';
import { credentialCommands } from './commands/credential-commands.js';
import { credentialPolicyCommand } from './commands/credential-policy-commands.js';
import { enrolCommand } from './commands/enrol-command.js';
import { exportCommand } from './commands/export-commands.js';
import { findingsCommand } from './commands/finding-command.js';
import { fsckCommand } from './commands/fsck-command.js';
import { grantCommands } from './commands/grant-commands.js';
import { identityRuleCommand } from './commands/identity-rule-command.js';
import { importCommand } from './commands/import-commands.js';
import { keyCommand } from './commands/key-commands.js';
import { killSwitchCommand } from './commands/kill-switch-command.js';
import { leaseCommand } from './commands/lease-commands.js';
import { loginCommand, logoutCommand } from './commands/login-command.js';
import { meshCommands } from './commands/mesh-commands.js';
import { policyCommand } from './commands/policy-commands.js';
import { explainCommand } from './commands/policy-explain-command.js';
import { shadowCommand } from './commands/policy-shadow-command.js';
import { simulateCommand } from './commands/policy-simulate-command.js';
import { principalCommand } from './commands/principal-commands.js';
import { recoveryCommand } from './commands/recovery-commands.js';
import { templateCommand } from './commands/template-commands.js';
import { typeCommand } from './commands/type-commands.js';
import { valueCommands } from './commands/value-commands.js';
import { vaultCommand } from './commands/vault-commands.js';

const EXIT_CODES = `
Exit codes: 0 done, 1 failure, 2 usage, 3 denied, 4 not found, 5 unavailable.
Every command takes --json, --profile NAME and --help. Start the mesh with \`npm start\`.`;

/** The whole command tree. Usage errors are thrown, so that they end like every other failure. */
export function makeProgram(): Command {
  const program = new Command('keymesh')
    .description('Keymesh: keeps credentials and hands them over NATS to those who may have them.')
    .version('0.1.0')
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES);
  for (const command of [
    ...valueCommands(),
    ...credentialCommands(),
    batchCommand(),
    exportCommand(),
    importCommand(),
    templateCommand(),
    typeCommand(),
    credentialPolicyCommand(),
    principalCommand(),
    ...grantCommands(),
    policyCommand().addCommand(explainCommand()).addCommand(simulateCommand()).addCommand(shadowCommand()),
    enrolCommand(),
    loginCommand(),
    logoutCommand(),
    identityRuleCommand(),
    approvalCommand(),
    breakGlassCommand(),
    auditCommand(),
    backupCommand(),
    findingsCommand(),
    keyCommand(),
    vaultCommand(),
    fsckCommand(),
    recoveryCommand(),
    killSwitchCommand(),
    leaseCommand(),
    ...meshCommands(),
  ])
    program.addCommand(command);
  const strict = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    // Else a terminal of 80 columns breaks the summaries within words.
    command.configureHelp({ minWidthToWrap: 20 });
    command.commands.forEach(strict);
  };
  strict(program);
  return program;
}

/** Runs one command line. @returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  process.stdout.on('error', endWithReader);
  try {
    await makeProgram().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, json);
    if (error.exitCode === 0) return 0; // --help, --version
    const help =
      error.code === 'commander.help'
        ? 'Name a command. See --help.'
        : `${sentence(error.message)} See --help.`;
    return reportFailure(failure('USAGE', { publicMessage: help }), json);
  }
}

/** Whoever read our output has enough (`keymesh list | head`): no failure, and nobody to go on for. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}

const sentence = (message: string): string => {
  const text = message.replace(/^error: /, '').replace(/\n.*$/s, '');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
};
