import { failure } from '@keymesh/contracts';
import { inStore } from '@keymesh/postgres';
import { LRUCache } from 'lru-cache';
import type { DataSource } from 'typeorm';
import { liveStageOf, type Credential, type CredentialVersion } from '../domain/credential.js';
import type { ListVersions, VersionReader } from '../domain/ports.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialVersionEntity } from './entities/credential-version.entity.js';
import { makeGathered } from './gathered.js';
import { openVersionRow } from './sealed-rows.js';

/** A version row and the credential's revision in the same snapshot. */
export interface VersionSnapshot {
  readonly version: CredentialVersion;
  readonly credentialRevision: number;
}
/** @returns undefined when there is no such row. @throws CREDENTIAL_DAMAGED, STORE_UNAVAILABLE */
export type LoadVersion = (credentialId: string, version: number) => Promise<VersionSnapshot | undefined>;

export interface VersionReaderOptions {
  readonly loadVersion: LoadVersion;
  /** Ciphertexts kept in memory, bytes in all. */
  readonly maxBytes: number;
  readonly onRead?: (outcome: 'hit' | 'miss') => void;
}

const OVERHEAD_BYTES = 512;

/**
 * Sealed versions, cached by the very metadata object they were read for: whatever changes the credential's row, or one of its versions'
 * rows, makes another object, and what was cached is read again. So it is as coherent as the metadata index.
 */
export function makeVersionReader({ loadVersion, maxBytes, onRead }: VersionReaderOptions): VersionReader {
  const cache = new LRUCache<string, { readonly of: Credential; readonly version: CredentialVersion }>({
    maxSize: maxBytes,
    sizeCalculation: ({ version }) => version.ciphertext.length + version.wrappedDek.length + OVERHEAD_BYTES,
  });

  const reader: VersionReader = {
    async read({ credential }, number) {
      if (credential === undefined) throw failure('VERSION_NOT_FOUND');
      const stage = liveStageOf(credential, number);
      if (stage === undefined) throw failure('VERSION_NOT_FOUND');
      const key = keyOf(credential, number);
      const cached = cache.get(key);
      onRead?.(cached?.of === credential ? 'hit' : 'miss');
      if (cached?.of === credential) return cached.version;

      const read = await loadVersion(credential.credentialId, number);
      if (read !== undefined && read.credentialRevision !== credential.revision) return undefined;
      // The credential's sealed row names this version with this stage; a row that is missing or says otherwise was tampered with.
      if (read?.version.stage !== stage) throw failure('CREDENTIAL_DAMAGED');
      cache.set(key, { of: credential, version: read.version });
      return read.version;
    },
    readAgain(lookup, number) {
      if (lookup.credential !== undefined) cache.delete(keyOf(lookup.credential, number));
      return reader.read(lookup, number);
    },
    forget: () => cache.clear(),
  };
  return reader;
}

const keyOf = ({ credentialId }: Credential, version: number): string => `${credentialId}/${String(version)}`;

const THESE = `
  SELECT asked.at, v.*, c.revision AS credential_revision
  FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS asked (credential_id, version, at)
  JOIN credential_version v USING (credential_id, version) JOIN credential c USING (credential_id)`;
/** Versions of one statement: a value may have most of a mebibyte. */
const AT_ONCE = 32;

type Raw = Readonly<Record<string, unknown>>;
interface Place {
  readonly credentialId: string;
  readonly version: number;
}

/**
 * The port {@link LoadVersion} over Postgres: one statement, so that row and revision are of one snapshot. First reads that come together
 * share it: a statement costs more than all the rest of a read.
 */
export function makeLoadVersion(dataSource: DataSource, seal: RowSeal): LoadVersion {
  const read = makeGathered<Place, Raw | undefined>(
    (places) => inStore(() => readRows(dataSource, places)),
    AT_ONCE,
  );
  return async (credentialId, version) => {
    const raw = await read({ credentialId, version });
    if (raw === undefined) return undefined;
    return {
      version: openVersionRow(seal, entityOf(raw)),
      credentialRevision: Number(raw.credential_revision),
    };
  };
}

/** @returns a row for each place, in their order. */
async function readRows(
  dataSource: DataSource,
  places: readonly Place[],
): Promise<readonly (Raw | undefined)[]> {
  const raws = await dataSource.query<Raw[]>(THESE, [
    places.map(({ credentialId }) => credentialId),
    places.map(({ version }) => version),
  ]);
  const found = new Map(raws.map((raw) => [Number(raw.at), raw]));
  return places.map((_, at) => found.get(at + 1));
}

const entityOf = (raw: Raw): CredentialVersionEntity =>
  ({
    credentialId: raw.credential_id,
    version: raw.version,
    stage: raw.stage,
    dekId: raw.dek_id,
    kekId: raw.kek_id,
    kekVersion: raw.kek_version,
    wrappedDek: raw.wrapped_dek,
    ciphertext: raw.ciphertext,
    createdBy: raw.created_by,
    createdAt: raw.created_at,
    rotationId: raw.rotation_id,
    strengthScore: raw.strength_score,
    fingerprint: raw.fingerprint,
    destroyedAt: raw.destroyed_at,
    revision: Number(raw.revision),
    rowMac: raw.row_mac,
  }) as CredentialVersionEntity;

/** All versions of a credential, oldest first. */
export const makeListVersions =
  (dataSource: DataSource, seal: RowSeal): ListVersions =>
  (credentialId) =>
    inStore(async () => {
      const rows = await dataSource.getRepository(CredentialVersionEntity).find({
        where: { credentialId },
        order: { version: 'ASC' },
      });
      return rows.map((row) => openVersionRow(seal, row));
    });
