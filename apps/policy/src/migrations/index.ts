import type { Migration } from '@keymesh/postgres';
import { CreatePolicy1795305600000 } from './create-policy.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [CreatePolicy1795305600000];
