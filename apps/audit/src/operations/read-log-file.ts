import { inStore } from '@keymesh/postgres';
import {
  encodeEntryBundle,
  HASH_BYTES,
  parseTilePath,
  TILE_WIDTH,
  tileWidth,
  type TileResource,
} from '@keymesh/transparency-log';
import type { DataSource, EntityManager } from 'typeorm';
import { findNewestCheckpoint } from '../store/checkpoints.js';
import { readEntries } from '../store/entries.js';
import { tileReader } from '../store/tiles.js';

/** A file of the log, as C2SP tlog-tiles names and serves them. */
export interface LogFile {
  readonly contentType: 'text/plain; charset=utf-8' | 'application/octet-stream';
  readonly body: Uint8Array;
  /** Whether its content never changes. */
  readonly immutable: boolean;
}

/** @param path `checkpoint`, `tile/0/x001/234.p/12`, `tile/entries/000`. @returns undefined for what does not exist (yet). */
export type ReadLogFile = (path: string) => Promise<LogFile | undefined>;

/** Serves the published part of the log as files: what the newest checkpoint covers, and nothing beyond it. */
export const makeReadLogFile =
  (dataSource: DataSource): ReadLogFile =>
  (path) =>
    inStore(async () => {
      const { manager } = dataSource;
      const checkpoint = await findNewestCheckpoint(manager);
      if (checkpoint === undefined) return undefined;
      if (path === 'checkpoint') {
        const body = Buffer.from(checkpoint.note, 'utf8');
        return { contentType: 'text/plain; charset=utf-8', body, immutable: false };
      }
      const resource = parseTilePath(path);
      if (resource === undefined || resource.width > publishedWidth(resource, checkpoint.size))
        return undefined;
      const body =
        resource.kind === 'entries' ? await readBundle(manager, resource) : await readTile(manager, resource);
      return body && { contentType: 'application/octet-stream', body, immutable: true };
    });

const publishedWidth = (resource: TileResource, size: number): number =>
  tileWidth(size, resource.kind === 'entries' ? 0 : resource.level, resource.index);

async function readTile(
  manager: EntityManager,
  { level, index, width }: TileResource & { kind: 'hashes' },
): Promise<Uint8Array | undefined> {
  return (await tileReader(manager)(level, index))?.subarray(0, width * HASH_BYTES);
}

async function readBundle(manager: EntityManager, { index, width }: TileResource): Promise<Uint8Array> {
  return encodeEntryBundle((await readEntries(manager, index * TILE_WIDTH, width)).map(({ leaf }) => leaf));
}
