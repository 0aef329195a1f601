import { failure } from '@keymesh/contracts';
import type { Credential } from '../domain/credential.js';

/** A row as it was read: opened, or damaged (its HMAC does not hold, so of its columns only the id is believed). */
export interface ChangedRow {
  readonly credentialId: string;
  /** The transaction that wrote it last, also by hand: any change of it drops what is cached of the credential. */
  readonly changedXid: string;
  /** As the row says; for a damaged row only used to answer CREDENTIAL_DAMAGED where it claims to be. */
  readonly name: string;
  readonly credential: Credential | undefined;
}

export interface IndexEntries {
  apply(rows: readonly ChangedRow[]): void;
  /** @throws CREDENTIAL_DAMAGED */
  byName(name: string): Credential | undefined;
  /** Also not for deleted ones. @throws CREDENTIAL_DAMAGED */
  byId(credentialId: string): Credential | undefined;
  list(): readonly Credential[];
  /** Whether this very object is what memory holds: any change of the row makes another one. */
  isLatest(credential: Credential): boolean;
  size(): number;
}

/** The maps of the metadata index: live credentials and damaged ones, by id and by name. */
export function makeIndexEntries(): IndexEntries {
  const rows = new Map<string, ChangedRow>();
  const idByName = new Map<string, string>();
  /** The highest revision seen, also of what is deleted. */
  const seen = new Map<string, number>();
  let sorted: readonly Credential[] | undefined;

  /** INVARIANT: a revision never falls. An older row has a good HMAC, so only memory knows that somebody put it back. */
  const believed = (row: ChangedRow): ChangedRow => {
    if (row.credential === undefined) return row;
    if (row.credential.revision < (seen.get(row.credentialId) ?? 0)) return { ...row, credential: undefined };
    seen.set(row.credentialId, row.credential.revision);
    return row;
  };
  const place = (read: ChangedRow): void => {
    const row = believed(read);
    const known = rows.get(row.credentialId);
    // Each poll reads what changed since the oldest transaction still open, so most rows come more than once.
    if (known?.changedXid === row.changedXid) return;
    sorted = undefined;
    const isLive = row.credential === undefined || row.credential.deletedAtMs === null;
    if (known !== undefined && (isLive ? row.credential !== undefined : true)) unname(known);
    if (isLive) {
      rows.set(row.credentialId, row);
      idByName.set(row.name, row.credentialId);
    } else {
      rows.delete(row.credentialId);
    }
  };
  const unname = (known: ChangedRow): void => {
    if (idByName.get(known.name) === known.credentialId) idByName.delete(known.name);
  };
  const opened = (row: ChangedRow | undefined): Credential | undefined => {
    if (row !== undefined && row.credential === undefined) {
      throw failure('CREDENTIAL_DAMAGED', { details: { credentialId: row.credentialId } });
    }
    return row?.credential;
  };

  return {
    apply: (changed) => {
      // A name that was deleted and stored again comes with two rows: the dead one must not take the name away after.
      for (const row of [...changed].sort((a, b) => revisionOf(a) - revisionOf(b))) place(row);
    },
    byName: (name) => opened(rows.get(idByName.get(name) ?? '')),
    byId: (credentialId) => opened(rows.get(credentialId)),
    list: () =>
      (sorted ??= [...rows.values()]
        .flatMap(({ credential }) => (credential === undefined ? [] : [credential]))
        .sort((a, b) => (a.name < b.name ? -1 : 1))),
    isLatest: (credential) => rows.get(credential.credentialId)?.credential === credential,
    size: () => rows.size,
  };
}

const revisionOf = ({ credential }: ChangedRow): number => credential?.revision ?? Infinity;
