import { createHash } from 'node:crypto';
import type { Snapshot, TableShape } from '@keymesh/postgres';
import { z } from 'zod';
import { dataFrames, jsonFrame, malformed, readFrames, type Frame } from './frames.js';

// Contents: begin, then for each table and file its head, data and foot, then end. Each foot has count and hash, end has all of them.
const name = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const begin = z.strictObject({
  frame: z.literal('begin'),
  v: z.literal(1),
  /** By schema, the migrations that were applied, in order. */
  migrations: z.record(name, z.array(z.string()).readonly()).readonly(),
  /** The newest signed checkpoint of the audit log in this snapshot (C2SP signed note); null before the first. */
  checkpoint: z.string().nullable(),
  /** The restore epoch that the mesh was in. */
  epoch: z.int().min(0),
});
const tableHead = z.strictObject({
  frame: z.literal('table'),
  schema: name,
  table: name,
  columns: z.array(name).min(1),
});
const tableFoot = z.strictObject({ frame: z.literal('table-end'), rows: z.int().min(0), sha256 });
/** Relative, forward slashes, no `..`: it is joined to a folder at restore. */
const path = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/);
const fileHead = z.strictObject({ frame: z.literal('file'), path });
const fileFoot = z.strictObject({ frame: z.literal('file-end'), sizeBytes: z.int().min(0), sha256 });
const end = z.strictObject({
  frame: z.literal('end'),
  sequences: z.array(
    z.strictObject({
      schema: name,
      sequence: name,
      lastValue: z.string().regex(/^-?\d{1,19}$/),
      isCalled: z.boolean(),
    }),
  ),
  tables: z.int().min(0),
  rows: z.int().min(0),
  files: z.int().min(0),
});

export type BackupBegin = z.output<typeof begin>;
export type BackupEnd = z.output<typeof end>;

/** A file of KEYMESH_HOME. */
export interface BackupFile {
  readonly path: string;
  readonly content: Uint8Array;
}

export interface ContentsSource {
  readonly snapshot: Snapshot;
  /** Which tables go in. */
  readonly tables: readonly TableShape[];
  readonly begin: Pick<BackupBegin, 'checkpoint' | 'epoch'>;
  readonly files: AsyncIterable<BackupFile> | Iterable<BackupFile>;
  /** Told at the end. */
  readonly onEnd?: (end: BackupEnd) => void;
}

/** Writes contents from a snapshot, table after table. */
export async function* writeContents(source: ContentsSource): AsyncGenerator<Uint8Array> {
  const { snapshot } = source;
  yield jsonFrame({
    frame: 'begin',
    v: 1,
    migrations: snapshot.migrations,
    ...source.begin,
  } satisfies BackupBegin);
  let allRows = 0;
  for (const { schema, table, columns } of source.tables) {
    yield jsonFrame({ frame: 'table', schema, table, columns: [...columns] });
    const hash = createHash('sha256');
    let rows = 0;
    for await (const piece of snapshot.copyOut({ schema, table, columns })) {
      hash.update(piece);
      rows += countRows(piece);
      yield* dataFrames(piece);
    }
    yield jsonFrame({ frame: 'table-end', rows, sha256: hash.digest('hex') });
    allRows += rows;
  }
  let files = 0;
  for await (const { path: at, content } of source.files) {
    yield jsonFrame({ frame: 'file', path: path.parse(at) });
    yield* dataFrames(content);
    const hash = createHash('sha256').update(content).digest('hex');
    yield jsonFrame({ frame: 'file-end', sizeBytes: content.length, sha256: hash });
    files += 1;
  }
  const sequences = await snapshot.sequences();
  const last: BackupEnd = { frame: 'end', sequences, tables: source.tables.length, rows: allRows, files };
  source.onEnd?.(last);
  yield jsonFrame(last);
}

/** What a reader does with the parts. Each gets its data once and may leave the rest of it unread. */
export interface ContentsVisitor {
  readonly begin?: (begin: BackupBegin) => Promise<void>;
  readonly table?: (shape: TableShape, rows: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly file?: (path: string, content: AsyncIterable<Uint8Array>) => Promise<void>;
}

/**
 * Reads contents in order and checks every count and hash.
 * @throws BACKUP_INVALID, or what the visitor throws; what it was told before is then void.
 */
export async function readContents(
  contents: AsyncIterable<Uint8Array>,
  visitor: ContentsVisitor,
): Promise<{ readonly begin: BackupBegin; readonly end: BackupEnd }> {
  const frames = readFrames(contents)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const read = await frames.next();
    if (read.done === true || read.value.kind !== 'json') throw malformed();
    return read.value.value;
  };
  const opening = accept(begin, await next());
  await visitor.begin?.(opening);
  const count = { tables: 0, rows: 0, files: 0 };
  for (;;) {
    const value = accept(z.union([tableHead, fileHead, end]), await next());
    if (value.frame === 'end') {
      const { tables, rows, files } = value;
      if (tables !== count.tables || rows !== count.rows || files !== count.files) throw malformed();
      // To the very end: the signature stands after it.
      if ((await frames.next()).done !== true) throw malformed();
      return { begin: opening, end: value };
    }
    const data = checkedData(frames);
    if (value.frame === 'table') {
      const { schema, table, columns } = value;
      await visitor.table?.({ schema, table, columns }, data.pieces);
      const { foot, seen } = await data.finish(tableFoot);
      if (foot.rows !== seen.rows) throw malformed();
      count.tables += 1;
      count.rows += foot.rows;
    } else {
      await visitor.file?.(value.path, data.pieces);
      const { foot, seen } = await data.finish(fileFoot);
      if (foot.sizeBytes !== seen.sizeBytes) throw malformed();
      count.files += 1;
    }
  }
}

/** The data of one part, hashed and counted as it passes. */
function checkedData(frames: AsyncIterator<Frame>) {
  const hash = createHash('sha256');
  const seen = { rows: 0, sizeBytes: 0 };
  let foot: { readonly value: unknown } | undefined;
  const read = async function* (): AsyncGenerator<Uint8Array> {
    while (foot === undefined) {
      const next = await frames.next();
      if (next.done === true) throw malformed();
      const frame = next.value;
      if (frame.kind === 'json') {
        foot = { value: frame.value };
        return;
      }
      hash.update(frame.bytes);
      seen.rows += countRows(frame.bytes);
      seen.sizeBytes += frame.bytes.length;
      yield frame.bytes;
    }
  };
  return {
    pieces: { [Symbol.asyncIterator]: read },
    async finish<T extends { readonly sha256: string }>(
      schema: z.ZodType<T>,
    ): Promise<{ foot: T; seen: typeof seen }> {
      for await (const _rest of read()); // what the visitor left unread is checked as well
      const checked = accept(schema, foot?.value);
      if (checked.sha256 !== hash.digest('hex')) throw malformed();
      return { foot: checked, seen };
    },
  };
}

function accept<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw malformed();
  return parsed.data;
}

/** COPY's text has one line a row; line breaks in values are escaped. */
function countRows(piece: Uint8Array): number {
  let rows = 0;
  for (let at = piece.indexOf(0x0a); at !== -1; at = piece.indexOf(0x0a, at + 1)) rows += 1;
  return rows;
}
