import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { withClient } from '../src/admin-client.js';
import {
  idempotencyMigration,
  makeDataSource,
  migrateSchema,
  outboxMigration,
  type Migration,
} from '../src/index.js';

class First1795305600001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(outboxMigration('vault'));
    await runner.query('CREATE TABLE leaf (id bigserial PRIMARY KEY, bytes text)');
  }
  down(): Promise<void> {
    return Promise.reject(new Error('forward-only'));
  }
}
class Second1795305600002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(idempotencyMigration('vault'));
    await runner.query('INSERT INTO leaf (bytes) VALUES ($1)', ['once']);
  }
  down(): Promise<void> {
    return Promise.reject(new Error('forward-only'));
  }
}
class Broken1795305600003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE half (id int)');
    await runner.query('SELECT no_such_function()');
  }
  down(): Promise<void> {
    return Promise.resolve();
  }
}

describe('migrateSchema', () => {
  let postgres: TestPostgres;
  const migrate = (migrations: readonly Migration[], schema: 'vault' | 'audit' = 'vault') =>
    migrateSchema({
      url: postgres.deployUrl,
      password: postgres.password,
      schema,
      role: postgres.roleOf(schema),
      migrations,
      // At an earlier level of the tables some are not there yet.
      appendOnlyTables: ['leaf'],
    });
  const as = <T>(url: string, sql: string): Promise<T[]> =>
    withClient({ url, password: postgres.password, applicationName: 'spec' }, async (client) => {
      const { rows } = await client.query(sql);
      return rows as T[];
    });

  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(() => postgres.stop());

  it('applies each migration once, however often and at once it is run', async () => {
    await Promise.all(Array.from({ length: 4 }, () => migrate([First1795305600001])));
    await Promise.all([
      migrate([First1795305600001, Second1795305600002]),
      migrate([First1795305600001, Second1795305600002]),
    ]);
    expect(await as(postgres.deployUrl, 'SELECT name FROM vault.migration ORDER BY id')).toEqual([
      { name: 'First1795305600001' },
      { name: 'Second1795305600002' },
    ]);
    expect(await as(postgres.deployUrl, 'SELECT bytes FROM vault.leaf')).toEqual([{ bytes: 'once' }]);
  });

  it('rolls a failing migration back whole and says only INTERNAL', async () => {
    await expect(
      migrate([First1795305600001, Second1795305600002, Broken1795305600003]),
    ).rejects.toMatchObject({
      code: 'INTERNAL',
      details: { sqlState: '42883' },
    });
    expect(await as(postgres.deployUrl, "SELECT to_regclass('vault.half') AS half")).toEqual([
      { half: null },
    ]);
  });

  it('gives the service role its own rows and nothing of another schema, of DDL, or of append-only tables', async () => {
    await migrate([], 'audit');
    const vault = postgres.urlOf('vault');
    const refused = { code: 'INTERNAL', details: { sqlState: '42501' } };
    await as(vault, "INSERT INTO vault.idempotency (principal, request_id) VALUES ('s', 'r')");
    await as(vault, "INSERT INTO vault.leaf (bytes) VALUES ('x')");
    await expect(as(postgres.urlOf('audit'), 'SELECT * FROM vault.outbox')).rejects.toMatchObject(refused);
    for (const sql of [
      "UPDATE vault.leaf SET bytes = 'changed'",
      'DELETE FROM vault.leaf',
      'TRUNCATE vault.leaf',
      'DELETE FROM vault.migration',
      'CREATE TABLE vault.mine (id int)',
      'CREATE TABLE public.mine (id int)',
      'CREATE SCHEMA mine',
      'CREATE TEMPORARY TABLE mine (id int)',
      'CREATE DATABASE mine',
      'SET ROLE keymesh_deploy',
      'ALTER TABLE vault.outbox DISABLE TRIGGER ALL',
    ]) {
      await expect(as(vault, sql)).rejects.toMatchObject(refused);
    }
  });

  it('is found by unqualified names through the data source', async () => {
    const dataSource = makeDataSource({
      url: postgres.urlOf('vault'),
      passwordFile: postgres.passwordFile,
      schema: 'vault',
      applicationName: 'keymesh-vault',
    });
    await dataSource.initialize();
    const rows = await dataSource.query<object[]>(
      "SELECT current_schema() AS schema, current_setting('application_name') AS name, current_setting('statement_timeout') AS timeout",
    );
    await dataSource.destroy();
    expect(rows).toEqual([{ schema: 'vault', name: 'keymesh-vault', timeout: '10s' }]);
  });

  it('knows a wrong password and a server that is away for what they are', async () => {
    const nowhere = makeDataSource({
      url: 'postgres://a@127.0.0.1:1/b',
      schema: 'vault',
      applicationName: 'x',
    });
    await expect(nowhere.initialize()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(
      withClient(
        { url: postgres.deployUrl, password: Secret.fromText('wrong', 'x'), applicationName: 'spec' },
        () => Promise.resolve(),
      ),
    ).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', details: { sqlState: '28P01' } });
  });
});
