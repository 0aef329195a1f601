import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectCode, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { bundleFloorMigration, makeBundleFloor, makeDataSource, migrateSchema } from '../src/index.js';

class Floor1795651220005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(bundleFloorMigration('audit'));
  }
  down(): Promise<void> {
    return Promise.resolve();
  }
}

const START = Date.parse('2026-11-26T05:00:00Z');
const bundle = (version: number) => ({ version, bytes: Uint8Array.from([version, 1, 2]) });

describe('the floor of policy bundles', () => {
  let postgres: TestPostgres;
  let dataSource: DataSource;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const { password } = postgres;
    await migrateSchema({
      url: postgres.deployUrl,
      password,
      schema: 'audit',
      role: postgres.roleOf('audit'),
      migrations: [Floor1795651220005],
    });
    // The service's own role, with its own rights.
    const url = postgres.urlOf('audit');
    dataSource = makeDataSource({ url, password, schema: 'audit', applicationName: 'spec' });
    await dataSource.initialize();
  }, 60_000);
  afterAll(async () => {
    await dataSource.destroy();
    await postgres.stop();
  });

  it('is not there at first; then it is the highest that was ever raised, whatever order they come in', async () => {
    const floor = makeBundleFloor(dataSource);
    expect(await floor.load()).toBeUndefined();
    await floor.raise(bundle(3), START);
    await Promise.all([5, 4, 6, 2].map((version) => floor.raise(bundle(version), START + version)));
    expect(await floor.load()).toEqual({ ...bundle(6), attestedAtMs: START });
  });

  it('keeps when a bundle was vouched for: of that version alone, and the latest time', async () => {
    const floor = makeBundleFloor(dataSource);
    await floor.attest(6, START + 60_000);
    await floor.attest(5, START + 90_000);
    await floor.attest(6, START + 30_000);
    expect((await floor.load())?.attestedAtMs).toBe(START + 60_000);
    // A newer bundle is as old as the one before it was, until somebody vouches for it.
    await floor.raise(bundle(7), START + 100_000);
    await floor.attest(6, START + 100_000);
    expect(await floor.load()).toEqual({ ...bundle(7), attestedAtMs: START + 60_000 });
  });

  it('puts a time right that a wrong clock wrote', async () => {
    const floor = makeBundleFloor(dataSource);
    await floor.attest(7, START + 365 * 86_400_000);
    await floor.attest(7, START + 120_000);
    expect((await floor.load())?.attestedAtMs).toBe(START + 120_000);
  });

  it('is STORE_UNAVAILABLE without Postgres', async () => {
    await postgres.kill();
    await expectCode(makeBundleFloor(dataSource).load(), 'STORE_UNAVAILABLE');
    await postgres.restart();
  });
});
