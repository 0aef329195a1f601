import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure, type RequestInput, type batchRetrieveCredentials } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

type Items = RequestInput<typeof batchRetrieveCredentials>['items'];

describe('a batch of retrieves', () => {
  let vault: TestVault;
  const retrieve = (items: Items, by = 'reader') =>
    vault.operations.batchRetrieveCredentials({ items }, callBy(by));
  const store = (name: string, value: string | Uint8Array, more: object = {}) =>
    vault.operations.storeCredential(
      {
        name,
        type: 'generic',
        values: {
          value: typeof value === 'string' ? text(value) : text(Buffer.from(value).toString('latin1')),
        },
        ...more,
      },
      callBy('writer'),
    );
  const codes = (results: Awaited<ReturnType<typeof retrieve>>['results']) =>
    results.map((result) => (result.outcome === 'failed' ? result.error.code : textOf(result.values.value)));

  beforeEach(() => {
    vault = makeTestVault();
  });

  it('hands out each value in the order asked, with a record of each', async () => {
    await store('a', 'one');
    await store('b/c', 'two');
    await store('b/c', 'three', { expectedVersion: 'any' });
    const { results } = await retrieve([{ name: 'b/c' }, { name: 'a' }, { name: 'b/c', stage: 'previous' }]);
    expect(codes(results)).toEqual(['three', 'one', 'two']);
    expect(
      vault.journaled.map(({ record }) => [record.type, record.outcome, record.resource?.version]),
    ).toEqual([
      ['credential.retrieved', 'success', 2],
      ['credential.retrieved', 'success', 1],
      ['credential.retrieved', 'success', 1],
    ]);
  });

  it('releases no value before the records of all are durable, and wipes them when one is refused', async () => {
    await store('a', 'one');
    await store('b', 'two');
    let records = 0;
    vault.onJournal = () => {
      records += 1;
      if (records === 2) throw failure('AUDIT_UNAVAILABLE');
    };
    await expectCode(retrieve([{ name: 'a' }, { name: 'b' }]), 'AUDIT_UNAVAILABLE');
    expect(vault.opened).toHaveLength(2);
    for (const values of vault.opened) expect(() => values.value?.expose()).toThrow('used after dispose');
  });

  it('answers denied and missing alike, as a single retrieve does', async () => {
    await store('secret', 'one');
    const single = async (name: string) =>
      vault.operations.retrieveCredential({ name }, callBy('nobody')).then(
        () => 'value',
        (error: unknown) => error,
      );
    const { results } = await retrieve([{ name: 'secret' }, { name: 'missing' }], 'nobody');
    expect(results[0]).toEqual(results[1]);
    expect(results[0]).toMatchObject({ outcome: 'failed', error: { code: 'CREDENTIAL_NOT_FOUND' } });
    expect(await single('secret')).toMatchObject({ code: 'CREDENTIAL_NOT_FOUND' });
    expect(vault.journaled.slice(0, 2).map(({ record }) => record.outcome)).toEqual(['denied', 'failure']);
  });

  it('releases and records once what is asked for twice', async () => {
    await store('a', 'one');
    const { results } = await retrieve([{ name: 'a' }, { name: 'default/a' }, { name: 'a', version: 1 }]);
    expect(codes(results)).toEqual(['one', 'one', 'one']);
    expect(vault.journaled).toHaveLength(2);
  });

  it('says which values did not fit into the answer; they can be asked for again', async () => {
    const names = Array.from({ length: 16 }, (_, at) => `big${String(at)}`);
    for (const name of names) await store(name, `${name}${'x'.repeat(60_000)}`);
    const { results } = await retrieve(names.map((name) => ({ name })));
    const left = names.filter((_, at) => results[at]?.outcome === 'failed');
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(4);
    expect(codes(results).filter((code) => code === 'PAYLOAD_TOO_LARGE')).toHaveLength(left.length);
    const again = await retrieve(left.map((name) => ({ name })));
    expect(again.results.every(({ outcome }) => outcome === 'retrieved')).toBe(true);
  });

  it('tells of a name that is none without looking at it or recording it', async () => {
    await store('a', 'one');
    const { results } = await retrieve([{ name: 'Not A Name' }, { name: 'a' }]);
    expect(codes(results)).toEqual(['CREDENTIAL_NAME_INVALID', 'one']);
    expect(vault.journaled).toHaveLength(1);
  });

  it('opens again what changed while its record was written, also when it is not the one that was late', async () => {
    await store('a', 'old');
    await store('b', 'other');
    let isFirst = true;
    vault.onJournal = async () => {
      if (!isFirst) return;
      isFirst = false;
      await store('a', 'new', { expectedVersion: 'any' });
    };
    expect(codes((await retrieve([{ name: 'a' }, { name: 'b' }])).results)).toEqual(['new', 'other']);
    expect(() => vault.opened[0]?.value?.expose()).toThrow('used after dispose');
  });

  it('gives up item by item on what changes all the time', async () => {
    await store('a', 'v');
    await store('b', 'other');
    vault.onJournal = async () => {
      await store('a', 'again', { expectedVersion: 'any' });
    };
    const { results } = await retrieve([{ name: 'a' }, { name: 'b' }]);
    expect(codes(results)).toEqual(['UNAVAILABLE', 'other']);
  });

  it('withholds what the policy forbids while it hands out the rest', async () => {
    await store('a', API_KEY);
    await vault.operations.storeCredential(
      { name: 'far/b', type: 'generic', values: { value: text('b') } },
      callBy('writer'),
    );
    vault.policy.forbid = ({ resource }) => resource.attributes.namespace === 'far';
    const { results } = await retrieve([{ name: 'a' }, { name: 'far/b' }]);
    expect(codes(results)).toEqual([API_KEY, 'CREDENTIAL_NOT_FOUND']);
  });
});
