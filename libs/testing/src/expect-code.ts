import { KeymeshError } from '@keymesh/kernel';
import type { ErrorCode } from '@keymesh/contracts';

/**
 * Expects a failure with this code, never a text.
 * @returns the error, for further looks at it.
 * @throws Error when there was no failure, or another one.
 */
export async function expectCode(
  work: Promise<unknown> | (() => unknown),
  code: ErrorCode,
): Promise<KeymeshError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (KeymeshError.is(error) && error.code === code) return error;
    const was = KeymeshError.is(error) ? error.code : String(error);
    throw new Error(`expected ${code}, but it failed with ${was}`, { cause: error });
  }
  throw new Error(`expected ${code}, but it succeeded`);
}
