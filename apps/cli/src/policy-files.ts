import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { failure, MAX_POLICY_CHARS, policyId as policyIdSchema } from '@keymesh/contracts';
import { checkPolicy, readAnnotations } from '@keymesh/policy-engine';

/** A policy in a file of its own. */
export interface PolicyFile {
  readonly file: string;
  /** From `@id("…")`, else the file's name without `.cedar`. */
  readonly policyId: string;
  readonly cedar: string;
  /** From `@twoPerson("true")` or `("false")`; absent: the text does not say. */
  readonly twoPerson?: boolean | undefined;
}

/**
 * Reads `.cedar` files and folders of them (not what is in folders below), and checks each against the schema.
 * @throws POLICY_INVALID with every problem as `file:line:column: rule`; USAGE for what cannot be read, or two policies of one id.
 */
export async function readPolicyFiles(paths: readonly string[]): Promise<readonly PolicyFile[]> {
  const files = (await Promise.all(paths.map(filesIn))).flat();
  if (files.length === 0) throw usage('There is no .cedar file there.');
  const read = await Promise.all(files.map(async (file) => policyOf(file, await textOf(file))));
  const problems = read.flatMap(problemsOf);
  if (problems.length > 0) throw failure('POLICY_INVALID', { publicMessage: problems.join('\n') });
  for (const { policyId, file } of read) {
    const other = read.find((policy) => policy.policyId === policyId && policy.file !== file);
    if (other !== undefined) throw usage(`${file} and ${other.file} are both the policy ${policyId}.`);
  }
  return read;
}

async function filesIn(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw usage(`${path} cannot be read.`);
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => name.endsWith('.cedar')).sort();
  return names.map((name) => join(path, name));
}

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => {
    throw usage(`${file} cannot be read.`);
  });
}

function policyOf(file: string, text: string): PolicyFile {
  const cedar = text.trimEnd();
  const said = readAnnotations(cedar);
  return { file, cedar, policyId: said?.id ?? basename(file, '.cedar'), twoPerson: said?.twoPerson };
}

function problemsOf({ file, policyId, cedar }: PolicyFile): readonly string[] {
  const id = policyIdSchema.safeParse(policyId);
  if (!id.success)
    return [`${file}: ${policyId}: ${id.error.issues.map(({ message }) => message).join('; ')}`];
  if (cedar.length > MAX_POLICY_CHARS)
    return [`${file}: a policy has at most ${String(MAX_POLICY_CHARS)} characters`];
  return checkPolicy({ id: policyId, cedar }).map(({ line, column, rule }) =>
    line === null ? `${file}: ${rule}` : `${file}:${String(line)}:${String(column)}: ${rule}`,
  );
}

const usage = (publicMessage: string) => failure('USAGE', { publicMessage });
