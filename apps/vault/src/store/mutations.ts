import { insertOutbox, once, transact } from '@keymesh/postgres';
import type { DataSource, EntityManager } from 'typeorm';
import type { Changed, Mutated, Mutations, MutationTransaction } from '../domain/mutations.js';
import type { RowSeal } from '../domain/row-mac.js';
import { makeLeaseRows } from './leases.js';
import { credentialRows, jobRows, versionRows } from './mutation-rows.js';

export interface MutationsOptions {
  readonly dataSource: DataSource;
  readonly seal: RowSeal;
  /**
   * After the commit and before the reply: tells the other instances, and drops our own. Must not throw: the commit stands.
   * `repeated`: it was committed before, by somebody who may have died before telling.
   */
  readonly afterCommit: (changed: Changed | 'repeated') => Promise<void>;
}

/** The port {@link Mutations} over Postgres. */
export function makeMutations({ dataSource, seal, afterCommit }: MutationsOptions): Mutations {
  return {
    async run(call, work) {
      let changed: Mutated<object>['changed'];
      const { reply, repeated } = await transact(dataSource, (manager) =>
        once(manager, call.principal, call.requestId, async () => {
          const mutated = await work(makeTransaction(manager, seal));
          changed = mutated.changed;
          return mutated.reply;
        }),
      );
      await Promise.all(repeated ? [afterCommit('repeated')] : listOf(changed).map(afterCommit));
      return reply;
    },
    awaitEveryone: (changed) => afterCommit({ ...changed, awaitEveryone: true }),
  };
}

const listOf = (changed: Mutated<object>['changed'] = []): readonly Changed[] =>
  'credentialId' in changed ? [changed] : changed;

/** What is written of one mutation; each part is about one kind of row. */
const makeTransaction = (manager: EntityManager, seal: RowSeal): MutationTransaction => ({
  ...credentialRows(manager, seal),
  ...versionRows(manager, seal),
  ...jobRows(manager),
  leases: makeLeaseRows(manager, seal),
  async part(work) {
    await manager.query('SAVEPOINT part');
    try {
      const result = await work();
      await manager.query('RELEASE SAVEPOINT part');
      return result;
    } catch (error) {
      await manager.query('ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part');
      throw error;
    }
  },
  announce: async ({ kind, id, subject, payload, beside }) =>
    insertOutbox(manager, {
      kind,
      id,
      subject,
      payload: Buffer.from(payload),
      ...(beside === undefined ? {} : { beside }),
    }),
});
