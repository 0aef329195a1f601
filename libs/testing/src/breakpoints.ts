import pg from 'pg';
import { eventually } from './eventually.js';
import type { TestPostgres, TestSchema } from './postgres.js';

/** Where a process can be stopped in the middle of a transaction: before one statement touches one table. */
export type Breakpoint<Table extends string> =
  | `${Table} ${'INSERT' | 'UPDATE'}`
  /** Before an audit record of this type goes into the outbox. */
  | `record ${string}`;

export interface Breakpoints<Table extends string> {
  /** Whoever comes there from now on waits. `reached` waits until somebody does; `release` lets all go on. */
  arm(
    at: Breakpoint<Table>,
  ): Promise<{ readonly reached: () => Promise<void>; readonly release: () => Promise<void> }>;
  stop(): Promise<void>;
}

// Each statement takes a shared lock on the name of the place where it is; a spec stops it by holding that lock.
const installIn = (schema: string, tables: readonly string[]): string => `
  CREATE OR REPLACE FUNCTION ${schema}.spec_breakpoint() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE place text := TG_TABLE_NAME || ' ' || TG_OP;
  BEGIN
    IF TG_TABLE_NAME = 'outbox' THEN
      IF NEW.kind <> 'journal' THEN RETURN NEW; END IF;
      place := 'record ' || (convert_from(NEW.payload, 'utf8')::jsonb->>'type');
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('spec/' || place, 0));
    RETURN NEW;
  END $$;
  ${[...tables, 'outbox']
    .map(
      (
        table,
      ) => `CREATE OR REPLACE TRIGGER spec_breakpoint BEFORE INSERT ${table === 'outbox' ? '' : 'OR UPDATE'} ON ${schema}.${table}
        FOR EACH ROW EXECUTE FUNCTION ${schema}.spec_breakpoint();`,
    )
    .join('\n')}`;

const WAITING = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;

/** Installs breakpoints on tables of one schema into the database of a spec. */
export async function installBreakpoints<Table extends string>(
  { deployUrl, password }: TestPostgres,
  schema: TestSchema,
  tables: readonly Table[],
): Promise<Breakpoints<Table>> {
  const url = new URL(deployUrl);
  // EXPOSE: the password of a spec's own database.
  url.password = Buffer.from(password.expose()).toString('utf8');
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(installIn(schema, tables));
  return {
    async arm(at) {
      const lock = [`spec/${at}`];
      await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', lock);
      return {
        reached: () =>
          eventually(
            async () => {
              if ((await client.query(WAITING)).rows.length === 0) throw new Error(`nobody came to ${at}`);
            },
            { timeoutMs: 30_000 },
          ),
        async release() {
          await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', lock);
        },
      };
    },
    stop: () => client.end(),
  };
}
