import type { Migration } from '@keymesh/postgres';
import { BundleFloor1795651220005 } from './bundle-floor.js';
import { ChannelKeyHandover1795651220007 } from './channel-key-handover.js';
import { CreateAudit1795305600000 } from './create-audit.js';

export { APPEND_ONLY_TABLES } from './create-audit.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [
  CreateAudit1795305600000,
  BundleFloor1795651220005,
  ChannelKeyHandover1795651220007,
];
