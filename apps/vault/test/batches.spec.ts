import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  batchRetrieveCredentials,
  batchStoreCredentials,
  exportCredentials,
  importCredentials,
  listTemplates,
  retrieveCredential,
  type RequestInput,
} from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { limitJournal } from './support/limit-journal.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

type Items = RequestInput<typeof batchStoreCredentials>['items'];
const item = (name: string, value: Uint8Array = randomBytes(48)): Items[number] => ({
  name,
  type: 'generic',
  values: { value: new Secret(Uint8Array.from(value), 'planted') },
});
const bytesOf = (secret: Secret | undefined) => Buffer.from(secret?.expose() ?? []);

describe('batches over the real bus, channel and database', () => {
  let world: VaultWorld;
  let writer: Caller;
  let operator: Caller;
  const rows = async (sql: string): Promise<Record<string, unknown>[]> => world.rows.query(sql);
  const count = async (where: string) =>
    Number((await rows(`SELECT count(*) AS n FROM credential WHERE name LIKE '${where}'`))[0]?.n);
  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    operator = await world.addClient('keeper', ['operator']);
    await world.startVault();
    await world.startVault();
  }, 300_000);
  afterAll(() => world.stop(), 120_000);

  it('many are stored in one transaction and handed out in one answer by any instance', async () => {
    const items = Array.from({ length: 40 }, (_, at) => item(`many/n${String(at)}`));
    const seen = new Set<number>();
    const done = new AbortController();
    const watched = (async () => {
      while (!done.signal.aborted) seen.add(await count('many/%'));
    })();
    const { results } = await writer.call(batchStoreCredentials, { items }, { deadlineMs: 30_000 });
    done.abort();
    await watched;
    expect(results.every(({ outcome }) => outcome === 'stored')).toBe(true);
    // Nobody ever sees a part of it.
    expect([...seen].filter((rowsSeen) => rowsSeen !== 0 && rowsSeen !== items.length)).toEqual([]);
    expect(await count('many/%')).toBe(items.length);
    for (let round = 0; round < 4; round += 1) {
      const reply = await operator.call(
        batchRetrieveCredentials,
        { items: items.map(({ name }) => ({ name })) },
        { deadlineMs: 30_000 },
      );
      for (const [at, result] of reply.results.entries())
        expect(result.outcome === 'retrieved' && bytesOf(result.values.value)).toEqual(
          bytesOf(items[at]?.values?.value),
        );
    }
  }, 180_000);

  it('leaves nothing of what is refused, and all of the rest', async () => {
    await writer.call(batchStoreCredentials, { items: [item('part/there')] });
    const { results } = await writer.call(batchStoreCredentials, {
      items: [item('part/a'), item('part/there'), { ...item('part/b'), type: 'no_type' }, item('part/c')],
    });
    expect(
      results.map((result) => (result.outcome === 'failed' ? result.error.code : result.outcome)),
    ).toEqual(['stored', 'CREDENTIAL_EXISTS', 'CREDENTIAL_TYPE_UNKNOWN', 'stored']);
    expect(await count('part/%')).toBe(3);
    const atomic = await writer.call(batchStoreCredentials, {
      items: [item('atomic/a'), item('part/there'), item('atomic/b')],
      atomic: true,
    });
    expect(atomic.results.map(({ outcome }) => outcome)).toEqual(['skipped', 'failed', 'skipped']);
    expect(await count('atomic/%')).toBe(0);
  });

  it('do not wait for each other for ever, whatever the order of their names', async () => {
    const names = Array.from({ length: 6 }, (_, at) => `cross/n${String(at)}`);
    await writer.call(batchStoreCredentials, { items: names.map((name) => item(name)) });
    const again = (order: string[]) =>
      writer.call(
        batchStoreCredentials,
        { items: order.map((name) => ({ ...item(name), expectedVersion: 'any' as const })) },
        { deadlineMs: 30_000 },
      );
    const batches = await Promise.all(
      Array.from({ length: 4 }, (_, at) => again(at % 2 === 0 ? names : [...names].reverse())),
    );
    expect(batches.flatMap(({ results }) => results).every(({ outcome }) => outcome === 'stored')).toBe(true);
    const versions = await rows(`SELECT DISTINCT last_version FROM credential WHERE name LIKE 'cross/%'`);
    expect(versions).toEqual([{ last_version: 5 }]);
  }, 180_000);

  it('are read by everybody at once as they were answered: no instance serves what was before', async () => {
    for (let round = 1; round <= 10; round += 1) {
      const values = [randomBytes(20), randomBytes(20)];
      await writer.call(batchStoreCredentials, {
        items: values.map((value, at) => ({
          ...item(`fresh/n${String(at)}`, value),
          ...(round === 1 ? {} : { expectedVersion: 'any' as const }),
        })),
      });
      const { results } = await operator.call(batchRetrieveCredentials, {
        items: [{ name: 'fresh/n0' }, { name: 'fresh/n1' }],
      });
      expect(
        results.map((result) => (result.outcome === 'retrieved' ? bytesOf(result.values.value) : result)),
      ).toEqual(values);
    }
  });

  it('release nothing when the journal refuses', async () => {
    const journal = await limitJournal(world.mesh);
    await journal.refuse();
    try {
      await expectCode(
        operator.call(batchRetrieveCredentials, { items: [{ name: 'many/n1' }, { name: 'many/n2' }] }),
        'AUDIT_UNAVAILABLE',
      );
    } finally {
      await journal.accept();
    }
    await eventually(() => operator.call(retrieveCredential, { name: 'many/n1' }));
  });

  it('import and export are for who may, and templates for everybody', async () => {
    await expectCode(writer.call(exportCredentials, {}), 'DENIED');
    const page = await operator.call(exportCredentials, { namespace: 'many', pageSize: 25 });
    expect([page.credentials.length, page.total, page.more]).toEqual([25, 40, true]);
    const reply = await writer.call(importCredentials, {
      items: [item('imported/a'), item('part/there')],
      onConflict: 'skip',
      source: 'csv',
    });
    expect(reply.results.map(({ outcome }) => outcome)).toEqual(['stored', 'skipped']);
    const nobody = await world.addClient('nobody', []);
    expect((await nobody.call(listTemplates, {})).templates.length).toBeGreaterThan(20);
    await expectCode(
      nobody.call(importCredentials, { items: [item('imported/b')], source: 'csv' }),
      'DENIED',
    );
  });

  it('leave a record of every item, and of the import', async () => {
    await eventually(async () => {
      const [waiting] = await rows('SELECT count(*) AS n FROM outbox WHERE published_at IS NULL');
      expect(waiting).toEqual({ n: '0' });
    });
    const records = (
      await rows(`SELECT convert_from(payload, 'UTF8') AS text FROM outbox WHERE kind = 'journal'`)
    ).map(({ text }) => JSON.parse(text as string) as { type: string; outcome: string; facts?: object });
    const stored = records.filter(({ type }) => type === 'credential.stored');
    expect(stored.filter(({ outcome }) => outcome === 'success').length).toBeGreaterThanOrEqual(40 + 3 + 30);
    expect(stored.filter(({ outcome }) => outcome === 'failure').length).toBeGreaterThanOrEqual(2);
    expect(records.find(({ type }) => type === 'credential.imported')?.facts).toMatchObject({
      items: 2,
      stored: 1,
      skipped: 1,
      source: 'csv',
    });
  });
});
