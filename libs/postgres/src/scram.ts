import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Secret } from '@keymesh/kernel';

const ITERATIONS = 4_096; // SOURCE: PostgreSQL's own default (scram_iterations).

/**
 * The verifier that Postgres stores for a password (RFC 5802, RFC 7677). Made here, so that the password itself never reaches
 * the server, its log or pg_stat_activity. The password must be ASCII: SASLprep is the identity there.
 */
export function scramVerifier(password: Secret, salt: Uint8Array = randomBytes(16)): string {
  // EXPOSE: only the one-way verifier leaves this function.
  const salted = pbkdf2Sync(password.expose(), salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  salted.fill(0);
  return `SCRAM-SHA-256$${String(ITERATIONS)}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`;
}
