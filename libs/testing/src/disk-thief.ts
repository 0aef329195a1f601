import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  importChannelKey,
  makeAcceptor,
  openWithStateKey,
  type ChannelKeyStatement,
  type ChannelPrivateKey,
} from '@keymesh/channel';
import { fromUtf8, Secret, type Clock } from '@keymesh/kernel';

/** A request as somebody saw it on the wire, with the service's statement, which anybody may ask for. */
export interface Recorded {
  readonly atMs: number;
  readonly subject: string;
  readonly requestId: string;
  readonly statement: ChannelKeyStatement;
  readonly setupHeader: string;
  readonly request: {
    readonly sequence: number;
    readonly deadlineMs: number;
    readonly partsHeader: string;
    readonly body: Uint8Array;
  };
}

/** version, salt, nonce, private half, tag (docs/reference/channel.md section 6) */
const SEALED_BYTES = 1 + 32 + 12 + 32 + 16;
/** What belongs to a key stands near its id: the row's other columns, the record of the log. */
const NEAR_BYTES = 4_096;

/** The bytes of every file under a folder. */
export async function takeFiles(folder: string): Promise<Buffer[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  return Promise.all(paths.map((path) => readFile(path).catch(() => Buffer.alloc(0)))); // gone meanwhile
}

export const holds = (files: readonly Buffer[], text: string): boolean =>
  files.some((file) => file.includes(text));

/**
 * Looks through raw files for anything that the state key opens as the private half that this was sent to, and uses it with the clock of
 * that day. @returns what the recorded request says, if it opens.
 */
export async function steal(
  { atMs, statement, setupHeader, request, ...binding }: Recorded,
  files: readonly Buffer[],
  stateKey: Secret,
): Promise<string | undefined> {
  const key = await findKey(statement, files, stateKey);
  if (key === undefined) return undefined;
  const thatDay: Clock = { now: () => atMs, monotonic: () => 0 };
  const privateKey = (id: string) => (id === statement.keyId ? key : undefined);
  const acceptor = makeAcceptor({ service: 'vault', privateKey, isChannelKeyOf: () => true, clock: thatDay });
  const session = await acceptor.accept(setupHeader);
  const { subject, requestId } = binding;
  return fromUtf8(session.decryptRequest({ subject, requestId, ...request }));
}

async function findKey(
  statement: ChannelKeyStatement,
  files: readonly Buffer[],
  stateKey: Secret,
): Promise<ChannelPrivateKey | undefined> {
  for (const place of files.flatMap((file) => placesIn(file, statement.keyId))) {
    for (let at = place.indexOf(1); at !== -1; at = place.indexOf(1, at + 1)) {
      try {
        const sealed = place.subarray(at, at + SEALED_BYTES);
        const opened = openWithStateKey(stateKey, `channel-key/vault/${statement.keyId}`, sealed);
        using stolen = new Secret(opened, 'stolen');
        return await importChannelKey(statement, stolen);
      } catch {
        // not here
      }
    }
  }
  return undefined;
}

/** A small file is looked through whole, of a large one what stands near the key's id. */
function placesIn(file: Buffer, keyId: string): Buffer[] {
  if (file.length <= NEAR_BYTES) return [file];
  const places: Buffer[] = [];
  for (let at = file.indexOf(keyId); at !== -1; at = file.indexOf(keyId, at + 1))
    places.push(file.subarray(at, at + NEAR_BYTES));
  return places;
}
