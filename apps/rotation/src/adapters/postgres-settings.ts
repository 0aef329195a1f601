import { z } from 'zod';
import type { AdapterSettings } from '../domain/workflow.js';

const settings = z.strictObject({
  host: z.string().min(1).max(255),
  port: z.coerce.number().int().min(1).max(65_535).default(5432),
  database: z.string().min(1).max(63),
  /** Without it: `disable` on this machine, `verify-full` elsewhere. `require` encrypts but trusts any certificate. */
  sslmode: z.enum(['disable', 'require', 'verify-full']).optional(),
});

export type SslMode = 'disable' | 'require' | 'verify-full';

/** Where a role logs in. */
export interface PostgresSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslmode: SslMode;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

/** @returns undefined when the credential's rotation settings are not those of a PostgreSQL role. */
export function parsePostgresSettings(given: AdapterSettings): PostgresSettings | undefined {
  const result = settings.safeParse(given);
  if (!result.success) return undefined;
  const { host, port, database, sslmode } = result.data;
  return { host, port, database, sslmode: sslmode ?? (LOOPBACK.has(host) ? 'disable' : 'verify-full') };
}
