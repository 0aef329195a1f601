import { readFile } from 'node:fs/promises';
import { failure, MAX_VALUE_BYTES } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';

/**
 * Reads a value where it cannot be seen: a file, piped standard input, or a hidden prompt. Never an argument, which
 * every user of the machine could read.
 *
 * One trailing newline is dropped unless `exact` (editors and `echo` add it); an exact value keeps every byte.
 * @param file path, or `-` for standard input.
 * @throws USAGE when there is nothing to read from, PAYLOAD_TOO_LARGE over 64 KiB.
 */
export async function readValue({
  file,
  exact,
  prompt,
}: {
  file?: string | undefined;
  exact: boolean;
  prompt: string;
}): Promise<Secret> {
  if (file === undefined && process.stdin.isTTY)
    return Secret.fromText(
      await (
        await import('@inquirer/password')
      ).default({ message: prompt, mask: false }, { output: process.stderr }),
      'value',
    );
  const bytes = file === undefined || file === '-' ? await readStandardInput() : await readNamed(file);
  const end = !exact && bytes.at(-1) === 0x0a ? bytes.length - (bytes.at(-2) === 0x0d ? 2 : 1) : bytes.length;
  return new Secret(bytes.subarray(0, end), 'value');
}

async function readNamed(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (cause) {
    throw failure('USAGE', {
      publicMessage: 'The value file cannot be read. Check its path and permissions.',
      cause,
    });
  }
}

async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_VALUE_BYTES + 2) throw failure('PAYLOAD_TOO_LARGE');
    chunks.push(chunk);
  }
  const all = new Uint8Array(Buffer.concat(chunks));
  for (const chunk of chunks) chunk.fill(0);
  return all;
}
