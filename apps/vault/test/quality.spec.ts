import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectCode, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import { callBy, text, textOf } from './fakes.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';
import { makeCertificate } from './types/make-certificate.js';

let values = 0;
const aValue = () => `xV7!kq-Lw2#tZp-${String((values += 1))}`;

describe('quality, in Postgres', () => {
  let postgres: TestPostgres;
  let vault: PostgresVault;
  const store = (name: string, value: string) =>
    vault.store(
      { name, type: 'api_key', values: { value: text(value) }, expectedVersion: 'any' },
      callBy('writer'),
    );
  const rules = async (name: string, value: string) =>
    (await store(name, value)).findings.map(({ rule }) => rule);
  const sql = (statement: string, ...parameters: unknown[]) =>
    vault.dataSource.query<Record<string, unknown>[]>(statement, parameters);

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrateVault(postgres);
    vault = await openPostgresVault(postgres);
  }, 60_000);
  afterAll(async () => {
    await vault.close();
    await postgres.stop();
  });

  it('finds a value again under another credential of its namespace, and under an earlier version of its own', async () => {
    const [value, next] = [aValue(), aValue()];
    expect(await rules('reuse/a', value)).toEqual([]);
    expect(await rules('reuse/b', value)).toEqual(['reused']);
    expect(await rules('elsewhere/a', value)).toEqual([]);
    expect(await rules('reuse/a', next)).toEqual([]);
    expect(await rules('reuse/a', value)).toEqual(['reused', 'repeated']);
  });

  it('forgets what was deleted, and what was replaced twice', async () => {
    const value = aValue();
    await store('gone/a', value);
    await vault.remove({ name: 'gone/a' }, callBy('writer'));
    expect(await rules('gone/b', value)).toEqual([]);
    await store('gone/b', aValue());
    await store('gone/b', aValue());
    expect(await rules('gone/c', value)).toEqual([]);
  });

  it('keeps fingerprints that say nothing without the key, and no two namespaces alike', async () => {
    const value = aValue();
    const one = await store('marks/a', value);
    const other = await store('other-marks/a', value);
    const rows = await sql(
      'SELECT fingerprint, strength_score FROM credential_version WHERE credential_id = ANY($1)',
      [one.credentialId, other.credentialId],
    );
    const [first, second] = rows.map(({ fingerprint }) => String(fingerprint));
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).not.toBe(first);
    expect(rows.map(({ strength_score: score }) => score)).toEqual([one.score, other.score]);
    expect(await vault.verify()).toEqual([]);
  });

  it('notices a fingerprint or score that somebody changed in the row', async () => {
    const { credentialId } = await store('tampered/a', aValue());
    for (const change of [`fingerprint = repeat('0', 64)`, 'strength_score = 100']) {
      const [before] = await sql('SELECT * FROM credential_version WHERE credential_id = $1', credentialId);
      await sql(`UPDATE credential_version SET ${change} WHERE credential_id = $1`, credentialId);
      expect((await vault.verify()).map((problem) => problem.credentialId)).toContain(credentialId);
      await sql(
        'UPDATE credential_version SET fingerprint = $2, strength_score = $3 WHERE credential_id = $1',
        ...[credentialId, before?.fingerprint, before?.strength_score],
      );
    }
    expect(await vault.verify()).toEqual([]);
  });

  it('lets two stores of one value at the same time both be stored', async () => {
    const value = aValue();
    const both = await Promise.all([store('race/a', value), store('race/b', value)]);
    expect(both.map(({ version }) => version)).toEqual([1, 1]);
  });

  it('compresses a certificate and gives it back to the byte', async () => {
    const root = makeCertificate({ name: 'Root' });
    const leaf = makeCertificate({ name: 'leaf', issuer: root, hosts: ['a.example'] });
    const certificate = leaf.pem + root.pem;
    const { credentialId } = await vault.store(
      {
        ...{ name: 'tls/a', type: 'tls_certificate' },
        values: { certificate: text(certificate), private_key: text(leaf.keyPem) },
      },
      callBy('writer'),
    );
    const [row] = await sql(
      'SELECT length(ciphertext) AS size FROM credential_version WHERE credential_id = $1',
      credentialId,
    );
    expect(row?.size).toBeLessThan(certificate.length + leaf.keyPem.length);
    const { values: kept } = await vault.retrieve({ name: 'tls/a' }, callBy('reader'));
    expect(textOf(kept.certificate)).toBe(certificate);
    expect(textOf(kept.private_key)).toBe(leaf.keyPem);
  });

  it('stores nothing of what it refuses', async () => {
    const before = await sql('SELECT count(*) FROM credential');
    await expectCode(
      vault.store(
        {
          ...{ name: 'weak/a', type: 'username_password' },
          values: { username: text('ada'), password: text('Summer-Summer-2024') },
        },
        callBy('writer'),
      ),
      'CREDENTIAL_WEAK',
    );
    expect(await sql('SELECT count(*) FROM credential')).toEqual(before);
  });

  it('keeps the score of a rotated value: what the vault makes is at 100', async () => {
    const name = 'rotated/a';
    const { credentialId } = await vault.store(
      {
        name,
        type: 'api_key',
        values: { value: text('demo-Demo-demo-Demo1') },
        rotation: { adapter: 'generated' },
      },
      callBy('writer'),
    );
    const rotationId = '018f0000-0000-7000-8000-000000000001';
    const { version } = await vault.prepare({ credentialId, rotationId }, callBy('_rotation'));
    await vault.promote({ credentialId, rotationId, version }, callBy('_rotation'));
    const [row] = await sql('SELECT strength_score FROM credential WHERE credential_id = $1', credentialId);
    expect(row?.strength_score).toBe(100);
    expect(await vault.verify()).toEqual([]);
  });
});
