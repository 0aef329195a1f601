import type { Migration } from '@keymesh/postgres';
import { BundleFloor1795651220005 } from './bundle-floor.js';
import { ChannelKeyHandover1795651220008 } from './channel-key-handover.js';
import { CreateRotation1795305600000 } from './create-rotation.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [
  CreateRotation1795305600000,
  BundleFloor1795651220005,
  ChannelKeyHandover1795651220008,
];
