import type { Keymesh } from '@keymesh/client';
import { runCommand, type CommonOptions } from './command.js';

/** Runs the work of `key <name>` with a connection to the mesh. */
export const runKeyCommand = (
  options: CommonOptions,
  name: string,
  work: (keymesh: Keymesh) => Promise<void>,
) => runCommand(`key ${name}`, options, async (session) => work(await session.keymesh()));
