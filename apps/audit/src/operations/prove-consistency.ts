import type { proveConsistency } from '@keymesh/contracts';
import { toHex } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import { makeConsistencyProof } from '@keymesh/transparency-log';
import { tileReader } from '../store/tiles.js';
import { readTreeHead } from '../store/tree-head.js';
import { expectSize, type ProofPorts } from './prove-inclusion.js';

/** Proves that a tree extends an earlier one. @throws BAD_REQUEST unless fromSize ≤ toSize ≤ size of the log. */
export const makeProveConsistency =
  ({ dataSource, authorise }: ProofPorts): Handler<typeof proveConsistency> =>
  async ({ fromSize, toSize }, call) => {
    await authorise('proveConsistency', call);
    return await inStore(async () => {
      const { manager } = dataSource;
      expectSize(toSize, (await readTreeHead(manager)).size);
      const hashes = await makeConsistencyProof(fromSize, toSize, tileReader(manager));
      return { fromSize, toSize, hashes: hashes.map(toHex) };
    });
  };
