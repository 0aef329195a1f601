import type { EntityManager } from 'typeorm';

/** A checkpoint that was signed. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  /** C2SP signed note. */
  readonly note: string;
}

interface Row {
  readonly size: string;
  readonly root: Buffer;
  readonly note: string;
}

const toCheckpoint = (row: Row): StoredCheckpoint => ({
  size: Number(row.size),
  root: new Uint8Array(row.root),
  note: row.note,
});

/** The newest; undefined before the first. */
export async function findNewestCheckpoint(manager: EntityManager): Promise<StoredCheckpoint | undefined> {
  const [row] = await manager.query<Row[]>(
    'SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1',
  );
  return row === undefined ? undefined : toCheckpoint(row);
}

/** All, by size. */
export async function readCheckpoints(manager: EntityManager): Promise<StoredCheckpoint[]> {
  return (await manager.query<Row[]>('SELECT size, root, note FROM checkpoint ORDER BY size')).map(
    toCheckpoint,
  );
}

/** Adds a checkpoint; its size must be new. */
export async function insertCheckpoint(manager: EntityManager, checkpoint: StoredCheckpoint): Promise<void> {
  await manager.query('INSERT INTO checkpoint (size, root, note) VALUES ($1, $2, $3)', [
    checkpoint.size,
    Buffer.from(checkpoint.root),
    checkpoint.note,
  ]);
}
