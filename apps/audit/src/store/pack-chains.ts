import type { ServiceName } from '@keymesh/contracts';
import type { EntityManager } from 'typeorm';
import type { PackChain } from '../domain/pack-chain.js';

interface Row {
  readonly service: ServiceName;
  readonly instance: string;
  readonly sequence: string;
  readonly pack_hash: string;
  readonly ended: boolean;
  readonly stored_at: Date;
}

const toChain = (row: Row): PackChain => ({
  service: row.service,
  instance: row.instance,
  sequence: Number(row.sequence),
  hash: row.pack_hash,
  ended: row.ended,
  storedAt: row.stored_at.getTime(),
});

const COLUMNS = 'service, instance, sequence, pack_hash, ended, stored_at';

/** Every chain, one row for each start of a service. */
export async function readChains(manager: EntityManager): Promise<PackChain[]> {
  return (await manager.query<Row[]>(`SELECT ${COLUMNS} FROM pack_chain`)).map(toChain);
}

const SAVE = `
  INSERT INTO pack_chain (service, instance, sequence, pack_hash, ended, stored_at)
  SELECT r.v, r.i, r.s, r.h, r.f, r.a
  FROM json_to_recordset($1::json) AS r(v text, i text, s bigint, h text, f boolean, a timestamptz)
  ON CONFLICT (service, instance) DO UPDATE SET sequence = EXCLUDED.sequence, pack_hash = EXCLUDED.pack_hash,
    ended = EXCLUDED.ended, stored_at = EXCLUDED.stored_at, silent = false`;

/** Stores chains in their newest state. */
export async function saveChains(manager: EntityManager, chains: readonly PackChain[]): Promise<void> {
  if (chains.length === 0) return;
  const rows = chains.map(({ service, instance, sequence, hash, ended, storedAt }) => ({
    v: service,
    i: instance,
    s: sequence,
    h: hash,
    f: ended,
    a: new Date(storedAt).toISOString(),
  }));
  await manager.query(SAVE, [JSON.stringify(rows)]);
}

/** Marks open chains of which nothing came after `beforeMs`, each once. @returns those that were marked now. */
export async function markSilentChains(manager: EntityManager, beforeMs: number): Promise<PackChain[]> {
  const [rows] = await manager.query<[Row[], number]>(
    `UPDATE pack_chain SET silent = true WHERE NOT ended AND NOT silent AND stored_at < $1 RETURNING ${COLUMNS}`,
    [new Date(beforeMs)],
  );
  return rows.map(toChain);
}
