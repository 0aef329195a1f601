import { TILE_WIDTH, type ChangedTile, type ReadTile } from '@keymesh/transparency-log';
import type { EntityManager } from 'typeorm';

const UPSERT = `
  INSERT INTO tile (level, tile_index, hashes) VALUES ($1, $2, $3)
  ON CONFLICT (level, tile_index) DO UPDATE SET hashes = EXCLUDED.hashes`;

/** Stores tiles that an append changed. Those of level 0 only when full: until then the entries are the tile. */
export async function saveTiles(manager: EntityManager, changed: readonly ChangedTile[]): Promise<void> {
  for (const { level, index, width, hashes } of changed) {
    if (level === 0 && width < TILE_WIDTH) continue;
    await manager.query(UPSERT, [level, index, Buffer.from(hashes)]);
  }
}

/** Reads stored tiles. */
export function tileReader(manager: EntityManager): ReadTile {
  return async (level, index) => {
    const [row] = await manager.query<{ hashes: Buffer }[]>(
      'SELECT hashes FROM tile WHERE level = $1 AND tile_index = $2',
      [level, index],
    );
    if (row !== undefined) return new Uint8Array(row.hashes);
    return level === 0 ? await readIncompleteTile(manager, index) : undefined;
  };
}

async function readIncompleteTile(manager: EntityManager, index: number): Promise<Uint8Array | undefined> {
  const rows = await manager.query<{ leaf_hash: Buffer }[]>(
    'SELECT leaf_hash FROM entry WHERE log_index >= $1 AND log_index < $2 ORDER BY log_index',
    [index * TILE_WIDTH, (index + 1) * TILE_WIDTH],
  );
  return rows.length === 0 ? undefined : new Uint8Array(Buffer.concat(rows.map((row) => row.leaf_hash)));
}
