import { readFile } from 'node:fs/promises';
import {
  describeCredentialPolicy,
  failure,
  MAX_CREDENTIAL_POLICY_CHARS,
  parseCredentialPolicy,
  setCredentialPolicy,
  type CredentialPolicyVersion,
} from '@keymesh/contracts';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { makeStatement } from '../make-statement.js';
import { note, print, printJson, table } from '../output.js';

/** `credential-policy …`: what is asked of values before the vault stores them, written and signed by operators. */
export const credentialPolicyCommand = (): Command =>
  new Command('credential-policy')
    .description('What is asked of values before they are stored, and when they grow old.')
    .addCommand(show())
    .addCommand(history())
    .addCommand(validate())
    .addCommand(put())
    .addCommand(rollback())
    .addCommand(remove());

function show(): Command {
  return makeCommand(
    'show',
    'The credential policy in force, as put takes it.',
    'keymesh credential-policy show > policy.json',
  ).action(async (options: CommonOptions) => {
    await runCommand('credential-policy show', options, async (session) => {
      const { inForce } = await (await session.keymesh()).call(describeCredentialPolicy, {});
      if (options.json) printJson(inForce);
      else if (inForce === null) note('There is none: the vault goes by its own configuration.');
      else print(inForce.document ?? '');
    });
  });
}

function history(): Command {
  return makeCommand(
    'history',
    'Who wrote which credential policy and when, newest first.',
    'keymesh credential-policy history',
  ).action(async (options: CommonOptions) => {
    await runCommand('credential-policy history', options, async (session) => {
      const { history: versions, earlier } = await (
        await session.keymesh()
      ).call(describeCredentialPolicy, {});
      if (options.json) {
        printJson({ history: versions, earlier });
        return;
      }
      const rows = versions.map(({ statementId, setBy, setAt, document }) => ({
        ...{ version: statementId, by: setBy, at: setAt },
        policy: document ?? 'removed',
      }));
      print(table(rows, ['version', 'by', 'at', 'policy']));
      if (earlier > 0) note(`and ${String(earlier)} earlier ones`);
    });
  });
}

function validate(): Command {
  return makeCommand(
    'validate',
    'Check a credential policy, here: no mesh is asked.',
    'keymesh credential-policy validate policy.json',
  )
    .argument('<file>', 'JSON file')
    .action(async (file: string, options: CommonOptions) => {
      await runCommand('credential-policy validate', options, async () => {
        await readDocument(file);
        if (options.json) printJson({ file, valid: true });
        else print(`${file} is valid.`);
      });
    });
}

function put(): Command {
  return makeCommand(
    'put',
    'Write the credential policy. The vault goes by it at once.',
    'keymesh credential-policy put policy.json',
  )
    .argument('<file>', 'JSON file')
    .action(async (file: string, options: CommonOptions) => {
      await runCommand('credential-policy put', options, async (session) => {
        await write(session, await readDocument(file), options);
      });
    });
}

interface RollbackOptions extends CommonOptions {
  readonly to?: string;
}

function rollback(): Command {
  return makeCommand(
    'rollback',
    'Write an earlier credential policy again.',
    'keymesh credential-policy rollback --to 3f0c…',
  )
    .option('--to <version>', 'as history names it (default: the one before the one in force)')
    .action(async (options: RollbackOptions) => {
      await runCommand('credential-policy rollback', options, async (session) => {
        const { history: versions } = await (await session.keymesh()).call(describeCredentialPolicy, {});
        await write(session, versionOf(versions, options.to).document, options);
      });
    });
}

function remove(): Command {
  return makeCommand(
    'remove',
    'Take the credential policy back: the vault goes by its own configuration.',
    'keymesh credential-policy remove',
  ).action(async (options: CommonOptions) => {
    await runCommand('credential-policy remove', options, (session) => write(session, null, options));
  });
}

/** Versions are named by their beginning, as long as it names one alone. */
function versionOf(versions: readonly CredentialPolicyVersion[], to?: string): CredentialPolicyVersion {
  const found =
    to === undefined
      ? versions.slice(1, 2)
      : versions.filter(({ statementId }) => statementId.startsWith(to));
  const [version, ...others] = found;
  if (version === undefined || others.length > 0)
    throw failure('USAGE', {
      publicMessage: 'There is no such version, or more than one. See keymesh credential-policy history.',
    });
  return version;
}

/** @throws POLICY_INVALID with every problem; USAGE for what cannot be read. */
async function readDocument(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw failure('USAGE', { publicMessage: `${file} cannot be read.` });
  });
  const { problems } = parseCredentialPolicy(text);
  if (problems.length > 0)
    throw failure('POLICY_INVALID', {
      publicMessage: problems.map((problem) => `${file}: ${problem}`).join('\n'),
    });
  const document = text.trim();
  if (document.length > MAX_CREDENTIAL_POLICY_CHARS)
    throw failure('POLICY_INVALID', {
      publicMessage: `${file}: a credential policy has at most ${String(MAX_CREDENTIAL_POLICY_CHARS)} characters`,
    });
  return document;
}

async function write(session: Session, document: string | null, { json }: CommonOptions): Promise<void> {
  const keymesh = await session.keymesh();
  const { inForce: before } = await keymesh.call(describeCredentialPolicy, {});
  const basedOn = before?.statementId ?? null;
  const statement = makeStatement(await session.profile(), {
    type: 'credential-policy.set',
    document,
    basedOn,
  });
  const reply = await keymesh.call(setCredentialPolicy, { statement });
  if (json === true) {
    printJson(reply);
    return;
  }
  const { confirmed = [], unconfirmed = [], withinMs = 0 } = reply.inForce ?? {};
  print(
    `The credential policy is ${reply.state === 'removed' ? 'removed' : 'in force'}, as version ${reply.statementId}.`,
  );
  print(`${String(confirmed.length)} instances go by it after ${String(withinMs)} ms.`);
  for (const name of unconfirmed) note(`${name} has not said that it does.`);
}
