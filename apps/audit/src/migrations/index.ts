import type { Migration } from '@keymesh/postgres';
import { CreateAudit1795305600000 } from './create-audit.js';

export { APPEND_ONLY_TABLES } from './create-audit.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [CreateAudit1795305600000];
