import { createInterface } from 'node:readline/promises';
import { failure, type TypeDescription } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { readValue } from './value-input.js';

/** Where a person says that the parts of a value are. */
export interface PartOptions {
  /** `name=text`, for parts that are no secret. */
  readonly part?: readonly string[];
  /** `name=path`; `-` for standard input. */
  readonly partFile?: readonly string[];
  readonly username?: string;
  readonly valueFile?: string;
  readonly generate?: boolean;
}

/** Parts by name; `using` (or dispose) wipes them. */
export interface GivenParts extends Disposable {
  readonly values: Readonly<Record<string, Secret>>;
}

type Part = TypeDescription['parts'][number];

/**
 * Reads the parts of a value where they cannot be seen: files, standard input, hidden prompts. Only what is no secret may stand among the
 * arguments, which every user of the machine can read.
 * @param type undefined: unknown here; then the value has one part, and the vault says what is wrong.
 * @throws USAGE, PAYLOAD_TOO_LARGE
 */
export async function readParts(
  name: string,
  type: TypeDescription | undefined,
  options: PartOptions,
): Promise<GivenParts> {
  const { parts, primaryPart, generates } = type ?? UNKNOWN;
  const values: Record<string, Secret> = {};
  const given: GivenParts = {
    values,
    [Symbol.dispose]: () => Object.values(values).forEach((part) => part.dispose()),
  };
  try {
    for (const [part, text] of plainParts(parts, options)) values[part] = Secret.fromText(text, part);
    for (const [part, file] of fileParts(parts, primaryPart, options))
      values[part] = await readValue({ file, exact: isExact(parts, part), prompt: '' });
    const made = options.generate === true ? generates : [];
    for (const part of parts.filter((candidate) => isMissing(candidate, values, made)))
      values[part.name] = await ask(name, part, part.name === primaryPart);
    return given;
  } catch (error) {
    given[Symbol.dispose]();
    throw error;
  }
}

const UNKNOWN: Pick<TypeDescription, 'parts' | 'primaryPart' | 'generates'> = {
  parts: [
    { name: 'value', summary: 'the value', secret: true, required: true, maxBytes: 65_536, format: 'bytes' },
  ],
  primaryPart: 'value',
  generates: ['value'],
};

const isMissing = ({ name, required }: Part, values: object, made: readonly string[]): boolean =>
  required && !Object.hasOwn(values, name) && !made.includes(name);

/** Any bytes are kept to the last; a text loses the line end that editors and `echo` add. */
const isExact = (parts: readonly Part[], name: string): boolean =>
  parts.find((part) => part.name === name)?.format === 'bytes';

function plainParts(parts: readonly Part[], { part = [], username }: PartOptions): [string, string][] {
  const named = part.map((text) => pair('--part', text));
  if (username !== undefined) named.push(['username', username]);
  for (const [name] of named) {
    if (partOf(parts, name).secret) {
      throw failure('USAGE', {
        publicMessage: `The part ${name} is secret and must not be an argument: use --part-file ${name}=PATH, or wait for the prompt.`,
      });
    }
  }
  return named;
}

function fileParts(
  parts: readonly Part[],
  primaryPart: string,
  { partFile = [], valueFile }: PartOptions,
): [string, string][] {
  const named = partFile.map((text) => pair('--part-file', text));
  if (valueFile !== undefined) named.push([primaryPart, valueFile]);
  for (const [name] of named) partOf(parts, name);
  if (named.filter(([, path]) => path === '-').length > 1)
    throw failure('USAGE', { publicMessage: 'Only one part can come from standard input.' });
  return named;
}

function partOf(parts: readonly Part[], name: string): Part {
  const found = parts.find((part) => part.name === name);
  if (found !== undefined) return found;
  const names = parts.map((part) => part.name).join(', ');
  throw failure('USAGE', { publicMessage: `This type has no such part. It has ${names}.` });
}

function pair(option: string, text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw failure('USAGE', { publicMessage: `${option} takes name=value.` });
  return [text.slice(0, at), text.slice(at + 1)];
}

async function ask(credential: string, part: Part, isPrimary: boolean): Promise<Secret> {
  const { name, summary, secret } = part;
  // Without a terminal, standard input is the one thing that can be read: it is the value.
  if (secret && (isPrimary || process.stdin.isTTY)) {
    const exact = part.format === 'bytes';
    return readValue({ file: undefined, exact, prompt: `${credential}, ${summary} (${name}, hidden):` });
  }
  if (!process.stdin.isTTY) {
    const option = secret ? `--part-file ${name}=PATH` : `--part ${name}=TEXT`;
    throw failure('USAGE', { publicMessage: `The part ${name} (${summary}) is missing: give ${option}.` });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return Secret.fromText(await terminal.question(`${credential}, ${summary} (${name}): `), name);
  } finally {
    terminal.close();
  }
}
