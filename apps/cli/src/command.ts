import {
  connect,
  profileName,
  readAnyProfile,
  readProfile,
  type Keymesh,
  type Profile,
} from '@keymesh/client';
import { ERROR_CATALOGUE, toPublicError } from '@keymesh/contracts';
import { Command } from 'commander';
import { cliHome, readMeshFacts, traceEndpoint, type MeshFacts } from './config.js';
import { askApproval } from './ask-approval.js';
import { note } from './output.js';

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly profile?: string;
  readonly home?: string;
  readonly verbose?: boolean;
  readonly askApproval?: string;
}

/** What a command works with. The connection is opened on first use, with the profile that the options name. */
export interface Session {
  readonly home: string;
  facts(): Promise<MeshFacts>;
  profile(): Promise<Profile>;
  keymesh(): Promise<Keymesh>;
}

/** A command with the common options and an example in its help. */
export const makeCommand = (name: string, summary: string, example: string): Command =>
  new Command(name)
    .description(summary)
    .option('--json', 'print one JSON value instead of text')
    .option('--profile <name>', 'whose identity to use (default: operator)')
    .option('--home <folder>', 'KEYMESH_HOME to use')
    .option('--verbose', 'print the trace id to standard error')
    .option('--ask-approval <reason>', 'where others must approve this first: ask them, with this reason')
    .addHelpText('after', `\nExample:\n  ${example}`);

/** Runs a command's work with a session, in a trace, and ends the process's part in it whatever happens. */
export async function runCommand(
  name: string,
  options: CommonOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const home = cliHome(options.home);
  // Not before it is needed: OpenTelemetry is a third of what a help text would load.
  const [{ traced }, facts] = await Promise.all([
    import('./tracing.js'),
    readMeshFacts(home).catch(() => undefined),
  ]);
  let open: Promise<Keymesh> | undefined;
  const profile = (): Promise<Profile> => readProfile(home, profileName(options.profile));
  const session: Session = {
    home,
    facts: async () => facts ?? readMeshFacts(home),
    profile,
    keymesh: () =>
      (open ??= readAnyProfile(home, profileName(options.profile)).then((found) =>
        connect({ profile: found }),
      )),
  };
  await traced(name, traceEndpoint(facts), async (traceId) => {
    if (options.verbose) note(`trace: ${traceId}`);
    try {
      await work(session);
    } catch (error) {
      if (options.askApproval !== undefined) await askApproval(session, error, options.askApproval);
      throw error;
    } finally {
      await open?.then(
        (keymesh) => keymesh.close(),
        () => undefined,
      );
    }
  });
}

/** Tells a failure as a person should read it, and returns the exit code. Never a stack trace. */
export function reportFailure(error: unknown, json: boolean): number {
  const told = toPublicError(error);
  if (json) note(JSON.stringify({ error: told }));
  else {
    note(`${told.code}: ${told.message}`);
    for (const finding of told.findings ?? [])
      note(`  ${finding.severity === 'error' ? '✗' : '!'} ${finding.rule}: ${finding.advice}`);
  }
  return ERROR_CATALOGUE[told.code].exitCode;
}
