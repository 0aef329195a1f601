import { open } from 'node:fs/promises';
import { SECOND } from '@keymesh/kernel';
import type { SubjectViolation } from '../operations/note-violation.js';

const POLL_MS = SECOND;
/** Read at once; what is more waits for the next look. */
const CHUNK_BYTES = 256 * 1_024;
/** A line that does not end by then is given up: the server's own are far shorter. */
const MAX_LINE_CHARS = 16 * 1_024;
// The name of a connection is its owner's own text; the server writes it quoted, with its quotes escaped. INVARIANT: read as such, or a name could hide
// its owner's violations, or blame another's.
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const VIOLATION = new RegExp(
  String.raw`^\[\d+\] \S+ \S+ \[ERR\] \S+ - cid:(\d{1,15}) - (?:${QUOTED} - )*"(?:[A-Za-z0-9_-]+/)?(?:nkey:|user:)?([^"\\/]{0,128})" - ` +
    String.raw`(Publish|Subscription) Violation - (?:Subject|Reply) "([^"]{0,512})`,
);

/**
 * Reads a line of the NATS server's log.
 * @returns what was refused to whom; undefined for any other line.
 */
export function readViolation(line: string): SubjectViolation | undefined {
  const [, clientId, user = '', kind, subject = ''] = VIOLATION.exec(line) ?? [];
  if (clientId === undefined) return undefined;
  return { clientId: Number(clientId), user, kind: kind === 'Publish' ? 'publish' : 'subscribe', subject };
}

/**
 * Follows the log of the embedded NATS server from its end on: the server tells of a permission violation there and nowhere else. What was
 * written while nobody looked is not told.
 */
export async function watchServerLog(options: {
  readonly file: string;
  readonly onViolation: (violation: SubjectViolation) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly pollMs?: number;
}): Promise<{ stop(): void }> {
  const { file, onViolation, onFailure, pollMs = POLL_MS } = options;
  let position = await sizeOf(file);
  let rest = '';
  let isBusy = false;
  const look = async (): Promise<void> => {
    const size = await sizeOf(file);
    if (size < position) position = 0; // begun anew
    const text = await readFrom(file, position, Math.min(size - position, CHUNK_BYTES));
    position += Buffer.byteLength(text, 'latin1');
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS);
    for (const violation of lines.map(readViolation))
      if (violation !== undefined) await onViolation(violation);
  };
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void look()
      .catch(onFailure)
      .finally(() => (isBusy = false));
  }, pollMs);
  return { stop: () => clearInterval(timer) };
}

async function sizeOf(file: string): Promise<number> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return 0;
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

async function readFrom(file: string, position: number, sizeBytes: number): Promise<string> {
  if (sizeBytes <= 0) return '';
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(sizeBytes), 0, sizeBytes, position);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
