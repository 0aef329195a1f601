import { toPublicError, type FailedItem } from '@keymesh/contracts';

/** What a batch says of an item that failed: exactly what the single operation would have answered. */
export function failedItem(error: unknown): FailedItem {
  const { code, message, retryable, findings } = toPublicError(error);
  return {
    outcome: 'failed',
    error: { code, message, retryable, ...(findings === undefined ? {} : { findings: [...findings] }) },
  };
}
