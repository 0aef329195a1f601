import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { makeSigningKey } from '@keymesh/kernel';
import { encodeLeaf, type Delivery } from '@keymesh/mesh';
import { expectCode } from '@keymesh/testing';
import { checkpointText, noteVerifierOf, rootOfLeaves, signNote } from '@keymesh/transparency-log';
import { continueLedger } from '../src/operations/continue-ledger.js';
import { fsckLedger } from '../src/operations/fsck-ledger.js';
import { makeCheckpointSigner } from '../src/operations/sign-checkpoint.js';
import { makeProducer, makeRecords } from './records.js';
import { startLedgerDatabase, type LedgerDatabase } from './support/ledger-database.js';

const ORIGIN = 'keymesh.test/audit';
const { key: checkpointKey } = makeSigningKey();
const verifier = noteVerifierOf(ORIGIN, checkpointKey.publicKeyText);
const records = makeRecords(900);
const leaves = records.map(encodeLeaf);
const PUBLISHED = 700;
const RESTORED = 300;

let on: LedgerDatabase;
let journal: readonly Delivery[];

const noteOf = (size: number): string =>
  signNote(
    checkpointText({ origin: ORIGIN, size, root: rootOfLeaves(leaves.slice(0, size)) }),
    ORIGIN,
    checkpointKey,
  );
const keep = (kept: readonly Uint8Array[], size = PUBLISHED) =>
  continueLedger(on.dataSource, { leaves: Readable.from(kept), checkpoint: noteOf(size), verifier });

beforeAll(async () => {
  on = await startLedgerDatabase();
}, 60_000);
afterAll(() => on.stop());
beforeEach(async () => {
  await on.asOwner('TRUNCATE entry, beside, repeat, tile, checkpoint, pack_chain, incident, outbox');
  await on.dataSource.query(
    `UPDATE tree_head SET size = 0, root = sha256(''), journal_sequence = 0, journal_stored_at = NULL`,
  );
  const vault = makeProducer('vault', { key: on.key });
  journal = [vault.next(records.slice(0, RESTORED)), vault.next(records.slice(RESTORED))].map(
    (delivery, at) => ({
      ...delivery,
      streamSequence: at + 1,
    }),
  );
  await on.makeWriter().integrate(journal.slice(0, 1));
});

describe('a ledger restored from an older copy, with a log that was kept elsewhere', () => {
  it('goes on to the published checkpoint, with the same leaves at the same indexes, once', async () => {
    expect(await keep(leaves)).toEqual({ size: PUBLISHED, added: PUBLISHED - RESTORED });
    expect(await keep(leaves)).toEqual({ size: PUBLISHED, added: 0 });
    expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: PUBLISHED });
    const sign = makeCheckpointSigner({
      ...{ dataSource: on.dataSource, checkpointKey, origin: ORIGIN },
      publishedElsewhere: () => Promise.resolve(undefined),
      announce: () => Promise.resolve(),
    });
    expect(await sign()).toMatchObject({ state: 'unchanged', checkpoint: { size: PUBLISHED } });
  });

  it('takes what is in JOURNAL yet only once', async () => {
    await keep(leaves);
    const { head, repeats } = await on.makeWriter().integrate(journal.slice(1));
    expect({ size: head.size, repeats }).toEqual({ size: 900, repeats: PUBLISHED - RESTORED });
    expect(Buffer.from(head.root).equals(Buffer.from(rootOfLeaves(leaves)))).toBe(true);
    expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: 900 });
  });

  it('refuses a log that is another one, changed, cut off or out of order, and changes nothing', async () => {
    const other = makeRecords(900).map(encodeLeaf);
    const swapped = [...leaves];
    [swapped[400], swapped[401]] = [swapped[401]!, swapped[400]!];
    for (const kept of [
      other,
      [...leaves.slice(0, RESTORED), ...other.slice(RESTORED)],
      [...leaves.slice(0, 100), ...leaves.slice(101)],
      leaves.slice(0, PUBLISHED - 1),
      leaves.slice(0, 200),
      swapped,
      [...leaves.slice(0, 500), Buffer.from('{}'), ...leaves.slice(501)],
    ]) {
      await expectCode(keep(kept), 'LOG_INCONSISTENT');
      expect(await fsckLedger(on.dataSource, verifier)).toMatchObject({ ok: true, size: RESTORED });
    }
  });

  it('refuses a checkpoint that is not by the log’s own key', async () => {
    const { key } = makeSigningKey();
    const forged = signNote(
      checkpointText({ origin: ORIGIN, size: PUBLISHED, root: rootOfLeaves(leaves.slice(0, PUBLISHED)) }),
      ORIGIN,
      key,
    );
    await expectCode(
      continueLedger(on.dataSource, { leaves: Readable.from(leaves), checkpoint: forged, verifier }),
      'LOG_INCONSISTENT',
    );
  });
});
