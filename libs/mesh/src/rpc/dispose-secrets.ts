import { Secret } from '@keymesh/kernel';

/** Zeroes every Secret in a decoded message or a handler's reply. */
export function disposeSecrets(value: unknown): void {
  if (value instanceof Secret) value.dispose();
  else if (Array.isArray(value)) value.forEach(disposeSecrets);
  else if (typeof value === 'object' && value !== null) Object.values(value).forEach(disposeSecrets);
}
