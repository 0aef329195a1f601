import { exportCredentials, type ExportedCredential, type ReplyOf } from '@keymesh/contracts';
import type { Keymesh } from '../connect.js';
import type { BundledCredential } from './bundle.js';

export interface ExportOptions {
  /** Only what is in it and below it. */
  readonly namespace?: string | undefined;
  /** What could not be taken along, e.g. because it was deactivated; its name and the code of its failure. */
  readonly onSkipped?: (name: string, code: string) => void;
}

const DEADLINE_MS = 30_000;

/**
 * All that the caller may export, by name, page after page; each page was recorded before its values were asked for.
 * @throws DENIED, AUDIT_UNAVAILABLE, …
 */
export async function* exportAll(
  keymesh: Pick<Keymesh, 'call' | 'credentials'>,
  { namespace, onSkipped }: ExportOptions = {},
): AsyncGenerator<BundledCredential> {
  let after: string | undefined;
  for (;;) {
    const page: ReplyOf<typeof exportCredentials> = await keymesh.call(
      exportCredentials,
      { ...(namespace === undefined ? {} : { namespace }), ...(after === undefined ? {} : { after }) },
      { deadlineMs: DEADLINE_MS },
    );
    yield* valuesOf(keymesh, page.credentials, onSkipped);
    after = page.credentials.at(-1)?.name;
    if (!page.more || after === undefined) return;
  }
}

// Few enough that their values, at their largest, are no burden on memory.
const VALUES_AT_ONCE = 50;

async function* valuesOf(
  { credentials }: Pick<Keymesh, 'credentials'>,
  page: readonly ExportedCredential[],
  onSkipped: ExportOptions['onSkipped'],
): AsyncGenerator<BundledCredential> {
  for (let at = 0; at < page.length; at += VALUES_AT_ONCE) {
    const some = page.slice(at, at + VALUES_AT_ONCE);
    const results = await credentials.batchRetrieve(some.map(({ name }) => name));
    for (const [index, result] of results.entries()) {
      const exported = some[index];
      if (exported === undefined) continue;
      if ('error' in result) onSkipped?.(result.name, result.error.code);
      else {
        const { version, values } = result.credential;
        yield { ...exported, version, values };
      }
    }
  }
}
