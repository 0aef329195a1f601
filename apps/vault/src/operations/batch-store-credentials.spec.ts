import { describe, expect, it } from '@jest/globals';
import { MAX_BATCH_ITEMS, batchStoreCredentials, parseMessage, type StoreItem } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf } from '../../test/fakes.js';

const key = (name: string, more: Partial<StoreItem> = {}): StoreItem => ({
  name,
  type: 'api_key',
  values: { value: text(`${API_KEY}-${name}`) },
  ...more,
});
const batch = (items: StoreItem[], more: { atomic?: boolean; dryRun?: boolean } = {}) => ({
  items,
  atomic: false,
  dryRun: false,
  ...more,
});

describe('a batch of stores', () => {
  it('stores every item as a single store would, with a record and an event of each in the one transaction', async () => {
    const vault = makeTestVault();
    const { results } = await vault.operations.batchStoreCredentials(
      batch([key('b'), key('a/x', { tags: ['t'] })]),
      callBy('writer'),
    );
    expect(results).toMatchObject([
      { outcome: 'stored', name: 'b', version: 1, created: true },
      { outcome: 'stored', name: 'a/x', version: 1 },
    ]);
    const reply = await vault.operations.retrieveCredential({ name: 'a/x' }, callBy('reader'));
    expect(textOf(reply.values.value)).toBe(`${API_KEY}-a/x`);
    const { outbox } = vault.tables.tables();
    expect(outbox.map(({ kind }) => kind)).toEqual(['journal', 'event', 'journal', 'event']);
    expect(vault.tables.told.map(({ name }) => name)).toEqual(['b', 'a/x']);
  });

  it('reports what is refused by its own code, stores the rest, and records both', async () => {
    const vault = makeTestVault();
    await vault.operations.storeCredential(key('there'), callBy('writer'));
    const before = vault.tables.tables().outbox.length;
    const { results } = await vault.operations.batchStoreCredentials(
      batch([
        key('Not A Name'),
        key('there'),
        key('weak', { values: { value: text('x') } }),
        key('odd', { type: 'nonsense' }),
        key('good'),
        key('good'),
        key('parts', { values: { other: text(API_KEY) } }),
      ]),
      callBy('writer'),
    );
    expect(
      results.map((result) => (result.outcome === 'failed' ? result.error.code : result.outcome)),
    ).toEqual([
      'CREDENTIAL_NAME_INVALID',
      'CREDENTIAL_EXISTS',
      'CREDENTIAL_WEAK',
      'CREDENTIAL_TYPE_UNKNOWN',
      'stored',
      'BAD_REQUEST',
      'CREDENTIAL_VALUES_INVALID',
    ]);
    const weak = results[2];
    expect(weak?.outcome === 'failed' && weak.error.findings?.length).toBeGreaterThan(0);
    const outcomes = vault.tables
      .tables()
      .outbox.slice(before)
      .filter(({ kind }) => kind === 'journal')
      .map(({ payload }) => (JSON.parse(Buffer.from(payload).toString()) as { outcome: string }).outcome);
    expect(outcomes.filter((outcome) => outcome === 'failure')).toHaveLength(6);
    expect(outcomes.filter((outcome) => outcome === 'success')).toHaveLength(1);
    expect(JSON.stringify(results)).not.toContain(API_KEY);
  });

  it('stores all or nothing when it is atomic, whether an item fails before the transaction or in it', async () => {
    for (const bad of [key('weak', { values: { value: text('x') } }), key('there')]) {
      const vault = makeTestVault();
      await vault.operations.storeCredential(key('there'), callBy('writer'));
      const before = vault.tables.tables();
      const { results } = await vault.operations.batchStoreCredentials(
        batch([key('one'), bad, key('two')], { atomic: true }),
        callBy('writer'),
      );
      expect(results).toMatchObject([
        { outcome: 'skipped', reason: 'atomic' },
        { outcome: 'failed' },
        { outcome: 'skipped', reason: 'atomic' },
      ]);
      expect(vault.tables.tables()).toBe(before);
      expect(vault.journaled).toMatchObject([{ record: { type: 'credential.stored', outcome: 'failure' } }]);
    }
  });

  it('answers a repeat with what it answered first', async () => {
    const vault = makeTestVault();
    const call = callBy('writer');
    const first = await vault.operations.batchStoreCredentials(batch([key('one'), key('two')]), call);
    expect(await vault.operations.batchStoreCredentials(batch([key('one'), key('two')]), call)).toEqual(
      first,
    );
    expect(vault.tables.tables().versions.size).toBe(2);
  });

  it('leaves nothing behind on a dry run, and says what would happen', async () => {
    const vault = makeTestVault();
    await vault.operations.storeCredential(key('there'), callBy('writer'));
    const before = vault.tables.tables();
    const { results } = await vault.operations.batchStoreCredentials(
      batch(
        [
          key('new'),
          key('there', { expectedVersion: 'any', values: { value: text(`${API_KEY}-other`) } }),
          key('there'),
        ],
        {
          dryRun: true,
        },
      ),
      callBy('writer'),
    );
    expect(results).toMatchObject([
      { outcome: 'accepted', created: true },
      { outcome: 'accepted', created: false },
      { outcome: 'failed', error: { code: 'BAD_REQUEST' } },
    ]);
    expect(vault.tables.tables()).toBe(before);
  });

  it('judges each item against those before it: one value under two names is seen', async () => {
    const vault = makeTestVault();
    const same = text(`${API_KEY}-same`);
    const { results } = await vault.operations.batchStoreCredentials(
      batch([key('a/one', { values: { value: same } }), key('a/two', { values: { value: same } })]),
      callBy('writer'),
    );
    const rules = results.map((result) =>
      result.outcome === 'stored' ? result.findings.map(({ rule }) => rule) : [],
    );
    expect(rules[0]).not.toContain('reused');
    expect(rules[1]).toContain('reused');
  });

  it('denies each item that a single store would deny, and stores nothing at all when Postgres is away', async () => {
    const vault = makeTestVault();
    const { results } = await vault.operations.batchStoreCredentials(batch([key('one')]), callBy('reader'));
    expect(results).toMatchObject([{ outcome: 'failed', error: { code: 'DENIED' } }]);
    vault.tables.control.away = true;
    await expectCode(
      vault.operations.batchStoreCredentials(batch([key('one')]), callBy('writer')),
      'STORE_UNAVAILABLE',
    );
  });

  it('makes the values that it is to generate', async () => {
    const vault = makeTestVault();
    const { results } = await vault.operations.batchStoreCredentials(
      batch([{ name: 'made', type: 'api_key', generate: { lengthChars: 40 } }]),
      callBy('writer'),
    );
    expect(results).toMatchObject([{ outcome: 'stored' }]);
    const reply = await vault.operations.retrieveCredential({ name: 'made' }, callBy('reader'));
    expect(reply.values.value?.sizeBytes).toBe(40);
  });

  it('refuses more items than it may have with a code of its own', () => {
    const items = Array.from({ length: MAX_BATCH_ITEMS.store + 1 }, (_, at) => key(`n${String(at)}`));
    expect(() => parseMessage(batchStoreCredentials.request, { items })).toThrow(
      expect.objectContaining({ code: 'BATCH_TOO_LARGE' }),
    );
  });
});
