import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';

// SOURCE: PostgreSQL 18, Appendix A. Classes after which the same request may succeed once
// somebody has brought the server up, or corrected its roles (28, 3D).
const UNAVAILABLE_CLASSES = ['08', '28', '3D', '53', '57', '58', 'XX'];
const RETRY_AT_ONCE = new Set(['40001', '40P01']); // serialization_failure, deadlock_detected
const LOCK_NOT_AVAILABLE = '55P03';
const NODE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
const DRIVER_TEXTS =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|connection is closed|not queryable|DataSource .* is not|Cannot use a pool after calling end/i;

/** When a connection breaks between two statements, TypeORM takes it from the transaction, and the next statement finds it gone. */
const GONE_UNDER_WAY = new Set([
  'QueryRunnerAlreadyReleasedError',
  'QueryRunnerProviderAlreadyReleasedError',
]);

interface DriverError extends Error {
  readonly code?: string;
  readonly constraint?: string;
  readonly table?: string;
  readonly driverError?: DriverError;
}

const driverErrorOf = (error: unknown): DriverError | undefined => {
  // Not instanceof: errors of another realm are errors too.
  if (Object.prototype.toString.call(error) !== '[object Error]') return undefined;
  const outer = error as DriverError;
  return outer.driverError ?? outer;
};

/** SQLSTATE (or node's code) of what `pg` or TypeORM threw, if it has one. */
export const sqlStateOf = (error: unknown): string | undefined => driverErrorOf(error)?.code;

/** Whether a unique constraint refused the row; `constraint` narrows it to that one. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const driver = driverErrorOf(error);
  return driver?.code === '23505' && (constraint === undefined || driver.constraint === constraint);
}

/** Whether the whole transaction may simply be run again. */
export const isSerializationFailure = (error: unknown): boolean => RETRY_AT_ONCE.has(sqlStateOf(error) ?? '');

/** Whether the database is away, overloaded or shutting down, as opposed to having refused what we asked. */
export function isStoreUnavailable(error: unknown): boolean {
  const driver = driverErrorOf(error);
  if (driver === undefined) return false;
  const code = driver.code ?? '';
  return (
    NODE_CODES.has(code) ||
    GONE_UNDER_WAY.has(driver.name) ||
    code === LOCK_NOT_AVAILABLE ||
    RETRY_AT_ONCE.has(code) ||
    (code.length === 5 && UNAVAILABLE_CLASSES.includes(code.slice(0, 2))) ||
    DRIVER_TEXTS.test(driver.message)
  );
}

/**
 * The edge between Postgres and us: STORE_UNAVAILABLE when it is away, INTERNAL for anything else that is not ours already.
 * INVARIANT: nothing of the driver's error survives but its code, constraint and table: its text, detail and TypeORM's
 * `parameters` quote rows.
 */
export function translatePostgresError(error: unknown): KeymeshError {
  if (KeymeshError.is(error)) return error;
  const driver = driverErrorOf(error);
  const details = {
    sqlState: driver?.code ?? 'none',
    ...(driver?.constraint === undefined ? {} : { constraint: driver.constraint }),
    ...(driver?.table === undefined ? {} : { table: driver.table }),
    kind: driver?.name ?? typeof error,
    at: stackOf(driver),
  };
  if (!isStoreUnavailable(error)) return failure('INTERNAL', { details });
  const advice = ADVICE[details.sqlState.slice(0, 2)];
  return failure('STORE_UNAVAILABLE', {
    details,
    ...(advice === undefined ? {} : { publicMessage: advice }),
  });
}

/** By class of SQLSTATE, where the catalogue's sentence would send somebody the wrong way. */
const ADVICE: Readonly<Partial<Record<string, string>>> = {
  '28': 'The database refuses the login. Check the role and its password file.',
  '3D': 'The database server has no such database. Check the database URL.',
};

// Frames only: the first lines of a stack repeat the message.
const stackOf = (error: Error | undefined): string =>
  (error?.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 4)
    .map((line) => line.trim())
    .join(' < ');
