import { failure, type proveInclusion } from '@keymesh/contracts';
import { toHex } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import { makeInclusionProof } from '@keymesh/transparency-log';
import type { DataSource } from 'typeorm';
import { findLeafHash } from '../store/entries.js';
import { tileReader } from '../store/tiles.js';
import { readTreeHead } from '../store/tree-head.js';
import type { AuthoriseAuditRead } from './authorise-audit-read.js';

export interface ProofPorts {
  readonly dataSource: DataSource;
  readonly authorise: AuthoriseAuditRead;
}

/** Proves that an entry is in the tree of a given size. @throws BAD_REQUEST unless index < treeSize ≤ size of the log. */
export const makeProveInclusion =
  ({ dataSource, authorise }: ProofPorts): Handler<typeof proveInclusion> =>
  async ({ index, treeSize }, call) => {
    await authorise('proveInclusion', call);
    return await inStore(async () => {
      const { manager } = dataSource;
      expectSize(treeSize, (await readTreeHead(manager)).size);
      const hashes = await makeInclusionProof(index, treeSize, tileReader(manager));
      const leafHash = await findLeafHash(manager, index);
      if (leafHash === undefined) throw failure('LOG_INCONSISTENT', { details: { index } });
      return { index, treeSize, leafHash: toHex(leafHash), hashes: hashes.map(toHex) };
    });
  };

/** @throws BAD_REQUEST for a tree that does not exist yet. */
export function expectSize(asked: number, size: number): void {
  if (asked <= size) return;
  throw failure('BAD_REQUEST', {
    publicMessage: `The log has ${String(size)} entries, not ${String(asked)}.`,
  });
}
