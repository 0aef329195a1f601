import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { listCredentials, type RequestInput } from '@keymesh/contracts';
import { DAY } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import type { Credential } from '../domain/credential.js';
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

  /** So many credentials of the namespace `many`, in order, and no others. */
  const keepOnly = (count: number, more: Partial<Credential>): Credential[] => {
    const [any] = [...vault.tables.tables().credentials.values()];
    const many = Array.from({ length: count }, (_, at) => {
      const number = String(at).padStart(5, '0');
      return { ...any!, ...more, credentialId: randomUUID(), namespace: 'many', name: `many/n${number}` };
    });
    const credentials = new Map(many.map((credential) => [credential.credentialId, credential]));
    vault.tables.tamper((tables) => ({ ...tables, credentials }));
    return many;
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

  it('filters by status, expiry, tags, owner, sensitivity and text', async () => {
    const inDays = (days: number) => new Date(vault.clock.now() + days * DAY).toISOString();
    const update = (name: string, more: object) =>
      vault.operations.updateCredential({ name, ...more }, callBy('writer'));
    await update('a', { expiresAt: inDays(5), label: 'The Ledger', sensitivity: 'critical' });
    await update('b/one', { expiresAt: inDays(50), owner: 'reader', tags: { add: ['z'] } });
    await vault.operations.deactivateCredential({ name: 'b/two' }, callBy('writer'));
    expect((await list({ status: 'inactive' })).names).toEqual(['b/two']);
    expect((await list({ status: 'active' })).names).toEqual(['a', 'b/one', 'b/sub/three']);
    expect((await list({ expiresBefore: inDays(6) })).names).toEqual(['a']);
    expect((await list({ expiresAfter: inDays(6), expiresBefore: inDays(60) })).names).toEqual(['b/one']);
    expect((await list({ tags: ['x', 'z'] })).names).toEqual(['b/one']);
    expect((await list({ owner: 'reader' })).names).toEqual(['b/one']);
    expect((await list({ sensitivity: 'critical' })).names).toEqual(['a']);
    expect((await list({ text: 'leDGer' })).names).toEqual(['a']);
    expect((await list({ text: 'SUB/' })).names).toEqual(['b/sub/three']);
    vault.clock.advance(5 * DAY);
    expect((await list({ status: 'expired' })).names).toEqual(['a']);
  });

  it('shows deleted ones when asked for, pages through several of one name, and says when it may be stale', async () => {
    for (const round of [1, 2, 3]) {
      if (round > 1)
        await vault.operations.storeCredential(
          { name: 'a', type: 'api_key', values: { value: text(API_KEY) } },
          callBy('writer'),
        );
      await vault.operations.deleteCredential({ name: 'a' }, callBy('writer'));
    }
    const first = await list({ status: 'deleted', pageSize: 2 });
    const second = await list({ status: 'deleted', pageSize: 2, pageToken: first.next! });
    expect([first.names, second.names, second.next]).toEqual([['a', 'a'], ['a'], null]);
    await expectCode(list({ status: 'deleted' }, 'nobody'), 'DENIED');
    vault.tables.control.stale = true;
    const reply = await vault.operations.listCredentials(listCredentials.request.parse({}), callBy('reader'));
    expect(reply.stale).toBe(true);
  });

  it('ends a page before a message is full', async () => {
    const description = 'd'.repeat(1024);
    const tags = Array.from({ length: 32 }, (_, at) => `${'t'.repeat(60)}${String(at)}`);
    keepOnly(250, { description, tags });
    const names: string[] = [];
    let pageToken: string | null = null;
    do {
      const page = await vault.operations.listCredentials(
        listCredentials.request.parse({ pageSize: 1000, ...(pageToken === null ? {} : { pageToken }) }),
        callBy('reader'),
      );
      expect(JSON.stringify(page).length).toBeLessThan(600 * 1024);
      names.push(...page.credentials.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== null);
    expect(names).toHaveLength(250);
    expect(new Set(names).size).toBe(250);
  });

  it('pages through 10,000 with one decision for each that is shown, and one for each page', async () => {
    const expected = keepOnly(10_000, {}).map(({ name }) => name);
    let decisions = 0;
    vault.policy.forbid = () => {
      decisions += 1;
      return false;
    };
    const names: string[] = [];
    let pages = 0;
    for (let pageToken: string | null | undefined; pageToken !== null; pages += 1) {
      const page = await list({ namespace: 'many', ...(pageToken === undefined ? {} : { pageToken }) });
      names.push(...page.names);
      pageToken = page.next;
    }
    expect(names).toEqual(expected);
    expect(pages).toBe(50);
    // 10,000 shown, one that says whether there is more of each page but the last, and the right to list of each.
    expect(decisions).toBe(10_000 + 49 + 50);
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
