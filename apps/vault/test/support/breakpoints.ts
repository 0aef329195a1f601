import { Client } from 'pg';
import { eventually, type TestPostgres } from '@keymesh/testing';

/** Where a process can be stopped in the middle of a transaction: before one statement touches one table. */
export type Breakpoint =
  | `${'namespace_kek' | 'key_job' | 'credential' | 'credential_version' | 'lock_state'} ${'INSERT' | 'UPDATE'}`
  /** Before an audit record of this type goes into the outbox. */
  | `record ${string}`;

export interface Breakpoints {
  /** Whoever comes there from now on waits. @returns until somebody does; then lets all go on. */
  arm(
    at: Breakpoint,
  ): Promise<{ readonly reached: () => Promise<void>; readonly release: () => Promise<void> }>;
  stop(): Promise<void>;
}

const TABLES = ['namespace_kek', 'key_job', 'credential', 'credential_version', 'lock_state'];

// Each statement takes a shared lock on the name of the place where it is; a spec stops it by holding that lock.
const INSTALL = `
  CREATE OR REPLACE FUNCTION vault.spec_breakpoint() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE place text := TG_TABLE_NAME || ' ' || TG_OP;
  BEGIN
    IF TG_TABLE_NAME = 'outbox' THEN
      IF NEW.kind <> 'journal' THEN RETURN NEW; END IF;
      place := 'record ' || (convert_from(NEW.payload, 'utf8')::jsonb->>'type');
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('spec/' || place, 0));
    RETURN NEW;
  END $$;
  ${[...TABLES, 'outbox']
    .map(
      (
        table,
      ) => `CREATE OR REPLACE TRIGGER spec_breakpoint BEFORE INSERT ${table === 'outbox' ? '' : 'OR UPDATE'} ON vault.${table}
        FOR EACH ROW EXECUTE FUNCTION vault.spec_breakpoint();`,
    )
    .join('\n')}`;

/** Installs breakpoints into the database of a spec. */
export async function installBreakpoints({ deployUrl, password }: TestPostgres): Promise<Breakpoints> {
  const url = new URL(deployUrl);
  // EXPOSE: the password of a spec's own database.
  url.password = Buffer.from(password.expose()).toString('utf8');
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query(INSTALL);
  return {
    async arm(at) {
      const lock = [`spec/${at}`];
      await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', lock);
      return {
        async reached() {
          await eventually(
            async () => {
              const { rows } = await client.query(
                `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
              );
              if (rows.length === 0) throw new Error(`nobody came to ${at}`);
            },
            { timeoutMs: 30_000 },
          );
        },
        async release() {
          await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', lock);
        },
      };
    },
    stop: () => client.end(),
  };
}
