import type { Migration } from '@keymesh/postgres';
import { CreateRotation1795305600000 } from './create-rotation.js';

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [CreateRotation1795305600000];
