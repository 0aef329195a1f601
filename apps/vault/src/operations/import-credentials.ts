import type { importCredentials, ReplyOf, RequestOf, StoreItemResult } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource } from '../domain/access.js';
import type { Attempt, Audited } from '../domain/audit-trail.js';
import { namespaceOf } from '../domain/name.js';
import { permitOn } from './permit.js';
import type { StoreItemsPorts } from './prepare-items.js';
import { storeItems } from './store-items.js';

export interface ImportCredentialsPorts extends StoreItemsPorts {
  readonly audited: Audited;
}

type Request = RequestOf<typeof importCredentials>;

/**
 * Stores what came out of a file: a batch for who may import as well as store, and with a record of the import beside those of its items.
 * @throws DENIED for who may not import at all; STORE_UNAVAILABLE, KMS_UNAVAILABLE, AUDIT_UNAVAILABLE: then nothing is stored.
 */
export function makeImportCredentials(ports: ImportCredentialsPorts): Handler<typeof importCredentials> {
  return ports.audited<typeof importCredentials>('credential.imported', async (request, call, attempt) => {
    const ask = { askPolicy: ports.askPolicy, call, nowMs: ports.clock.now() };
    permitOn({ ...ask, attempt }, 'import', namespaceResource('*'));
    const { onConflict, atomic, dryRun } = request;
    const { results, committed } = await storeItems(
      ports,
      {
        items: request.items.map((item) =>
          onConflict === 'new-version' ? { ...item, expectedVersion: 'any' as const } : item,
        ),
        ...{ atomic, dryRun },
        skipExisting: onConflict === 'skip',
        permitItem: (name, ofItem) =>
          permitOn({ ...ask, attempt: ofItem }, 'import', namespaceResource(namespaceOf(name))),
        conclude: (all) => {
          describe(attempt, request, all);
          return attempt.success();
        },
      },
      call,
    );
    if (!committed) {
      describe(attempt, request, results);
      await attempt.succeeded();
    }
    return { results } satisfies ReplyOf<typeof importCredentials>;
  });
}

function describe(
  attempt: Attempt,
  { items, source, onConflict, atomic, dryRun }: Request,
  results: readonly StoreItemResult[],
): void {
  const count = (outcome: StoreItemResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;
  attempt.note({
    ...{ source, onConflict, atomic, dryRun },
    items: items.length,
    ...{ stored: count('stored'), skipped: count('skipped'), failed: count('failed') },
  });
}
