import type { Migration } from '@keymesh/postgres';
import { ConnectionNkey1795651210000 } from './connection-nkey.js';
import { CreatePolicy1795305600000 } from './create-policy.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [CreatePolicy1795305600000, ConnectionNkey1795651210000];
