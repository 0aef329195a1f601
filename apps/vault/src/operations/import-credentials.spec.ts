import { describe, expect, it } from '@jest/globals';
import type { ImportItem, RequestOf, importCredentials } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf } from '../../test/fakes.js';

const key = (name: string, value = `${API_KEY}-${name}`): ImportItem => ({
  name,
  type: 'api_key',
  values: { value: text(value) },
});
const request = (
  items: ImportItem[],
  more: Partial<RequestOf<typeof importCredentials>> = {},
): RequestOf<typeof importCredentials> => ({
  ...{ items, onConflict: 'fail', atomic: false, dryRun: false, source: 'env' },
  ...more,
});

describe('an import', () => {
  const outcomes = async (onConflict: 'fail' | 'skip' | 'new-version', more = {}) => {
    const vault = makeTestVault();
    await vault.operations.storeCredential(key('there', API_KEY), callBy('writer'));
    const { results } = await vault.operations.importCredentials(
      request([key('there'), key('new')], { onConflict, ...more }),
      callBy('writer'),
    );
    const { values } = await vault.operations.retrieveCredential({ name: 'there' }, callBy('reader'));
    return { vault, results, there: textOf(values.value) };
  };

  it('fails, skips or makes a new version where a name is taken', async () => {
    expect(await outcomes('fail')).toMatchObject({
      results: [{ outcome: 'failed', error: { code: 'CREDENTIAL_EXISTS' } }, { outcome: 'stored' }],
      there: API_KEY,
    });
    expect(await outcomes('skip')).toMatchObject({
      results: [{ outcome: 'skipped', reason: 'exists' }, { outcome: 'stored' }],
      there: API_KEY,
    });
    expect(await outcomes('new-version')).toMatchObject({
      results: [{ outcome: 'stored', version: 2, created: false }, { outcome: 'stored' }],
      there: `${API_KEY}-there`,
    });
  });

  it('skips also when all must succeed: what is skipped has not failed', async () => {
    const { results } = await outcomes('skip', { atomic: true });
    expect(results.map(({ outcome }) => outcome)).toEqual(['skipped', 'stored']);
  });

  it('says on a dry run what would happen, and records that it was one', async () => {
    const { vault, results } = await outcomes('skip', { dryRun: true });
    expect(results).toMatchObject([
      { outcome: 'skipped', reason: 'exists' },
      { outcome: 'accepted', created: true },
    ]);
    expect(vault.tables.tables().versions.size).toBe(1);
    expect(
      vault.journaled.map(({ record }) => record).find(({ type }) => type === 'credential.imported'),
    ).toMatchObject({
      outcome: 'success',
      facts: { dryRun: true, items: 2, stored: 0, skipped: 1, failed: 0, source: 'env' },
    });
  });

  it('records itself in the transaction of what it stores', async () => {
    const { vault } = await outcomes('new-version');
    const records = vault.tables
      .tables()
      .outbox.filter(({ kind }) => kind === 'journal')
      .map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as { type: string; facts?: object });
    expect(records.at(-1)).toMatchObject({
      type: 'credential.imported',
      facts: { stored: 2, failed: 0, onConflict: 'new-version' },
    });
  });

  it('is for who may import, where they may', async () => {
    const vault = makeTestVault();
    await expectCode(vault.operations.importCredentials(request([key('a')]), callBy('reader')), 'DENIED');
    vault.policy.forbid = ({ action, resource }) =>
      action === 'import' && resource.attributes.namespace === 'closed';
    const { results } = await vault.operations.importCredentials(
      request([key('closed/a'), key('open/a')]),
      callBy('writer'),
    );
    expect(results).toMatchObject([{ outcome: 'failed', error: { code: 'DENIED' } }, { outcome: 'stored' }]);
  });
});
