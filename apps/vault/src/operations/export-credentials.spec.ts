import { describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, PRINCIPALS, text } from '../../test/fakes.js';

describe('an export', () => {
  const filled = async () => {
    const vault = makeTestVault();
    for (const name of ['a', 'b/x', 'b/y/z', 'bc/x'])
      await vault.operations.storeCredential(
        { name, type: 'api_key', values: { value: text(`${API_KEY}-${name}`) } },
        callBy('writer'),
      );
    vault.journaled.length = 0;
    return vault;
  };
  const by = callBy('operator');
  const page = { pageSize: 100 };

  it('names what may be taken away, and records how many before it answers', async () => {
    expect(PRINCIPALS.operator?.roles).toEqual(['operator']);
    const vault = await filled();
    const reply = await vault.operations.exportCredentials(page, by);
    expect(reply.credentials.map(({ name }) => name)).toEqual(['a', 'b/x', 'b/y/z', 'bc/x']);
    expect(reply).toMatchObject({ total: 4, more: false });
    expect(vault.journaled).toMatchObject([
      { record: { type: 'credential.exported', outcome: 'success', facts: { credentials: 4, total: 4 } } },
    ]);
    vault.onJournal = () => {
      throw failure('AUDIT_UNAVAILABLE');
    };
    await expectCode(vault.operations.exportCredentials(page, by), 'AUDIT_UNAVAILABLE');
  });

  it('goes page by page, and within a namespace', async () => {
    const vault = await filled();
    const first = await vault.operations.exportCredentials({ pageSize: 3 }, by);
    expect(first).toMatchObject({ total: 4, more: true });
    const rest = await vault.operations.exportCredentials({ pageSize: 3, after: 'b/y/z' }, by);
    expect(rest.credentials.map(({ name }) => name)).toEqual(['bc/x']);
    expect(rest).toMatchObject({ total: null, more: false });
    const within = await vault.operations.exportCredentials({ ...page, namespace: 'b' }, by);
    expect(within.credentials.map(({ name }) => name)).toEqual(['b/x', 'b/y/z']);
  });

  it('leaves out what the caller may not export or not retrieve, and is for who may export', async () => {
    const vault = await filled();
    await expectCode(vault.operations.exportCredentials(page, callBy('writer')), 'DENIED');
    vault.policy.forbid = ({ action, resource }) =>
      (action === 'retrieve' && resource.attributes.namespace === 'b') ||
      (action === 'export' && resource.attributes.namespace === 'bc');
    const reply = await vault.operations.exportCredentials(page, by);
    expect(reply.credentials.map(({ name }) => name)).toEqual(['a', 'b/y/z']);
  });
});
