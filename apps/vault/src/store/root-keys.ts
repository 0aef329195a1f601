import type { WrapContext } from '../kms/kms.js';
import { kekContext } from '../kms/keyring.js';
import type { Queries } from './key-job-rows.js';
import { systemKeyContext, type SystemKeyPurpose } from './system-keys.js';

const PAGE_KEKS = 500;

/** A key that the KMS wraps, as it stands in its row. */
export interface RootWrapped {
  readonly table: 'namespace_kek' | 'system_key';
  /** The KEK's id, or the system key's purpose. */
  readonly id: string;
  readonly wrapped: Uint8Array;
  readonly context: WrapContext;
}

/** KEKs after this one in order of id, destroyed ones left out. */
export async function nextKeks(
  queries: Queries,
  after: string | null,
  limit: number,
): Promise<RootWrapped[]> {
  const rows = await queries.query<
    { kek_id: string; namespace_id: string; version: number; wrapped: Buffer }[]
  >(
    `SELECT kek_id, namespace_id, version, wrapped FROM namespace_kek
     WHERE destroyed_at IS NULL AND ($1::uuid IS NULL OR kek_id > $1) ORDER BY kek_id LIMIT $2`,
    [after, limit],
  );
  return rows.map(({ kek_id: kekId, namespace_id: namespaceId, version, wrapped }) => ({
    table: 'namespace_kek',
    id: kekId,
    wrapped,
    context: kekContext({ kekId, namespaceId, version }),
  }));
}

/** The vault's own keys. */
export async function listSystemKeys(queries: Queries): Promise<RootWrapped[]> {
  const rows = await queries.query<{ purpose: SystemKeyPurpose; wrapped: Buffer }[]>(
    'SELECT purpose, wrapped FROM system_key ORDER BY purpose',
  );
  return rows.map(({ purpose, wrapped }) => ({
    table: 'system_key',
    id: purpose,
    wrapped,
    context: systemKeyContext(purpose),
  }));
}

const WRITES: Readonly<Record<RootWrapped['table'], string>> = {
  namespace_kek: `UPDATE namespace_kek SET wrapped = $3, provider = $4, provider_key_id = $5
    WHERE kek_id = $1::uuid AND wrapped = $2 AND destroyed_at IS NULL RETURNING 1 AS written`,
  system_key: `UPDATE system_key SET wrapped = $3, provider = $4, provider_key_id = $5
    WHERE purpose = $1 AND wrapped = $2 RETURNING 1 AS written`,
};

/** Writes another wrapping of the same key, unless the row has changed since it was read. */
export async function writeRootWrapped(
  queries: Queries,
  { table, id, wrapped }: RootWrapped,
  written: { readonly wrapped: Uint8Array; readonly provider: string; readonly keyId: string },
): Promise<void> {
  await queries.query(WRITES[table], [
    id,
    Buffer.from(wrapped),
    Buffer.from(written.wrapped),
    written.provider,
    written.keyId,
  ]);
}

/** How many keys are wrapped otherwise than `isCurrent` says. */
export async function countOtherWraps(
  queries: Queries,
  isCurrent: (wrapped: Uint8Array) => boolean,
): Promise<number> {
  let others = (await listSystemKeys(queries)).filter(({ wrapped }) => !isCurrent(wrapped)).length;
  for (let page = await nextKeks(queries, null, PAGE_KEKS); page.length > 0;) {
    others += page.filter(({ wrapped }) => !isCurrent(wrapped)).length;
    page = await nextKeks(queries, page.at(-1)?.id ?? null, PAGE_KEKS);
  }
  return others;
}
