/** What became of a credential after the backup was made. Only what takes away, and numbers that must not be given again. */
export interface LaterCredential {
  /** The highest version number ever given. */
  readonly lastVersion: number;
  readonly deletedAtMs: number | null;
  readonly recoverableUntilMs: number | null;
  readonly purgedAtMs: number | null;
  readonly inactive: boolean;
  /** Version numbers whose bytes were destroyed, and when. */
  readonly destroyed: ReadonlyMap<number, number>;
}

/** Access that was taken away after the backup was made. */
export interface LaterTaking {
  readonly principal: string;
  readonly status: 'disabled' | 'locked';
  /** ISO 8601; null: until an operator gives it back. */
  readonly until: string | null;
  readonly reason: string;
}

/** A kill switch that was set after the backup was made and that nobody has lifted. */
export interface LaterKill {
  readonly killId: string;
  readonly scope: string;
  /** Null for everyone. */
  readonly name: string | null;
  readonly reason: string;
  readonly since: string;
  readonly by: string;
}

/** All that is known of the time between a backup and its restore. */
export interface LaterRecords {
  readonly source: 'database' | 'audit-log' | 'none';
  readonly credentials: ReadonlyMap<string, LaterCredential>;
  readonly takings: readonly LaterTaking[];
  readonly kills: readonly LaterKill[];
  /** The highest revision and restore epoch that anybody may have seen; 0 where nothing is known. */
  readonly maxRevision: number;
  readonly maxEpoch: number;
}

/** Nothing is known, and somebody has said that this must do. */
export const NO_LATER_RECORDS: LaterRecords = {
  source: 'none',
  credentials: new Map(),
  takings: [],
  kills: [],
  maxRevision: 0,
  maxEpoch: 0,
};
