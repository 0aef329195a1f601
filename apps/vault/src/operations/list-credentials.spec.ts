import { beforeEach, describe, expect, it } from '@jest/globals';
import { listCredentials, type RequestInput } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';

describe('listCredentials', () => {
  let vault: TestVault;
  const list = async (filter: RequestInput<typeof listCredentials> = {}, principal = 'reader') => {
    const reply = await vault.operations.listCredentials(
      listCredentials.request.parse(filter),
      callBy(principal),
    );
    return { names: reply.credentials.map(({ name }) => name), next: reply.nextPageToken };
  };

  beforeEach(async () => {
    vault = makeTestVault();
    for (const [name, provider, tags] of [
      ['b/two', 'stripe', ['x']],
      ['a', 'stripe', []],
      ['b/one', 'github', ['x', 'y']],
      ['b/sub/three', 'github', []],
    ] as const) {
      await vault.operations.storeCredential(
        { name, type: 'api_key', values: { value: text(API_KEY) }, provider, tags: [...tags] },
        callBy('writer'),
      );
    }
  });

  it('pages through names in order, each once', async () => {
    const first = await list({ pageSize: 3 });
    expect(first.names).toEqual(['a', 'b/one', 'b/sub/three']);
    expect(await list({ pageSize: 3, pageToken: first.next! })).toEqual({ names: ['b/two'], next: null });
    expect((await list({ pageSize: 4 })).next).toBeNull();
  });

  it('filters by namespace and what is below it, provider, type and tag', async () => {
    expect((await list({ namespace: 'b' })).names).toEqual(['b/one', 'b/sub/three', 'b/two']);
    expect((await list({ namespace: 'default' })).names).toEqual(['a']);
    expect((await list({ provider: 'github', tag: 'y' })).names).toEqual(['b/one']);
    expect((await list({ type: 'generic' })).names).toEqual([]);
  });

  it('shows only what the caller may describe, and fills the page with it', async () => {
    vault.policy.forbid = ({ action, resource }) =>
      action === 'describe' && resource.attributes.provider === 'stripe';
    expect(await list({ pageSize: 2 })).toEqual({ names: ['b/one', 'b/sub/three'], next: null });
  });

  it('denies who may not list, and refuses a page token that it did not give', async () => {
    await expectCode(list({}, 'nobody'), 'DENIED');
    await expectCode(list({ pageToken: 'not base64!' }), 'BAD_REQUEST');
    await expectCode(list({ pageToken: '_w' }), 'BAD_REQUEST');
  });

  it('leaves out what was deleted', async () => {
    await vault.operations.deleteCredential({ name: 'a' }, callBy('writer'));
    expect((await list()).names).not.toContain('a');
  });
});
