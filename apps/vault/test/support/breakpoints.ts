import * as testing from '@keymesh/testing';

const TABLES = ['namespace_kek', 'key_job', 'credential', 'credential_version', 'lock_state'] as const;
type Table = (typeof TABLES)[number];

export type Breakpoint = testing.Breakpoint<Table>;
export type Breakpoints = testing.Breakpoints<Table>;

/** Installs breakpoints on the vault's tables into the database of a spec. */
export const installBreakpoints = (postgres: testing.TestPostgres): Promise<Breakpoints> =>
  testing.installBreakpoints(postgres, 'vault', TABLES);
