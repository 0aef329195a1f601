import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '@keymesh/kernel';
import { eventually, expectCode, startTestPostgres, type TestPostgres } from '@keymesh/testing';
import type { MutationTransaction } from '../src/domain/mutations.js';
import type { SealedValue } from '../src/domain/ports.js';
import { makeKeyJobWorker } from '../src/jobs/key-job-worker.js';
import { makeKeyring } from '../src/kms/keyring.js';
import type { Kms } from '../src/kms/kms.js';
import { makeValueVault } from '../src/kms/value-vault.js';
import { makeKekStore } from '../src/store/kek-store.js';
import { verifyRows } from '../src/store/verify-rows.js';
import { callBy, makeFakeKms, text, textOf } from './fakes.js';
import { openKeyVault, type KeyVault } from './support/key-vault.js';
import { openPostgresVault, type PostgresVault } from './support/postgres-vault.js';
import { migrateVault } from './support/vault-world.js';

let namespaces = 0;
describe('key jobs', () => {
  let postgres: TestPostgres;
  let vault: PostgresVault;
  let keys: KeyVault;
  let namespace: string;
  const by = () => callBy('operator');
  const sql = (statement: string, ...parameters: unknown[]) =>
    vault.dataSource.query<Record<string, unknown>[]>(statement, parameters);
  const store = (name: string, value = `value of ${name}`) =>
    vault.store(
      {
        name: `${namespace}/${name}`,
        type: 'generic',
        values: { value: text(value) },
        expectedVersion: 'any',
      },
      by(),
    );
  const read = async (name: string) =>
    textOf((await vault.retrieve({ name: `${namespace}/${name}` }, by())).values.value);
  const rows = (credentialId: string) =>
    sql(
      'SELECT version, dek_id, kek_version, wrapped_dek, ciphertext FROM credential_version WHERE credential_id = $1 ORDER BY version',
      credentialId,
    );

  /** Version 2, sealed some time before. */
  async function insertLate(transaction: MutationTransaction, credentialId: string, sealed: SealedValue) {
    const credential = await transaction.lockById(credentialId);
    const first = await transaction.findVersion(credentialId, 1);
    await transaction.updateCredential({ ...credential!, lastVersion: 2 });
    await transaction.insertVersion({ ...first!, ...sealed, version: 2, stage: 'revoked' });
  }

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrateVault(postgres);
    vault = await openPostgresVault(postgres);
    keys = openKeyVault(vault);
  }, 60_000);
  afterAll(async () => {
    await vault.close();
    await postgres.stop();
  });
  beforeEach(() => {
    namespace = `n${String((namespaces += 1))}`;
  });

  it('rotate: what is stored from now on is under the new KEK, what was stored before still opens', async () => {
    const before = await store('a');
    expect(await keys.rotate({ namespace }, by())).toMatchObject({ namespace, version: 2 });
    const after = await store('b');
    expect(await rows(before.credentialId)).toMatchObject([{ kek_version: 1 }]);
    expect(await rows(after.credentialId)).toMatchObject([{ kek_version: 2 }]);
    expect(await read('a')).toBe('value of a');
    expect((await keys.status({ namespace }, by())).keks).toMatchObject([
      { version: 1, state: 'retired', rows: 1 },
      { version: 2, state: 'active', rows: 1 },
    ]);
  });

  it('rotate: of two at once both count, one after the other', async () => {
    await store('a');
    const versions = await Promise.all([keys.rotate({ namespace }, by()), keys.rotate({ namespace }, by())]);
    expect(versions.map(({ version }) => version).sort()).toEqual([2, 3]);
    const call = by();
    const once = await Promise.all([keys.rotate({ namespace }, call), keys.rotate({ namespace }, call)]);
    expect(once.map(({ version }) => version)).toEqual([4, 4]);
    await expectCode(keys.rotate({ namespace: 'nowhere' }, by()), 'NAMESPACE_NOT_FOUND');
  });

  it('rewrap: moves the wrap and nothing else, of every version, also of what is deleted', async () => {
    const { credentialId } = await store('a', 'one');
    await store('a', 'two');
    await store('a', 'three');
    const gone = await store('gone');
    await vault.remove({ name: `${namespace}/gone` }, by());
    const before = await rows(credentialId);
    await keys.rotate({ namespace }, by());
    const { jobs } = await keys.rewrap({ namespace, root: false }, by());
    expect(jobs).toMatchObject([{ kind: 'rewrap', namespace, state: 'running', done: 0, total: 4 }]);
    await keys.finish();
    const after = await rows(credentialId);
    expect(after.map(({ dek_id, ciphertext }) => ({ dek_id, ciphertext }))).toEqual(
      before.map(({ dek_id, ciphertext }) => ({ dek_id, ciphertext })),
    );
    expect([...after, ...(await rows(gone.credentialId))].map((row) => row.kek_version)).toEqual([
      2, 2, 2, 2,
    ]);
    expect(await keys.job({ jobId: jobs[0]!.jobId }, by())).toMatchObject({
      state: 'completed',
      done: 4,
      damaged: 0,
    });
    expect(await read('a')).toBe('three');
    expect(await vault.verify()).toEqual([]);
  });

  it('reencrypt: gives every version another data key and ciphertext of the same value, or only those of one credential', async () => {
    const one = await store('one', 'first');
    const two = await store('two');
    const before = [...(await rows(one.credentialId)), ...(await rows(two.credentialId))];
    await keys.reencrypt({ name: `${namespace}/one` }, by());
    await keys.finish();
    const [after] = await rows(one.credentialId);
    expect(after?.dek_id).not.toBe(before[0]?.dek_id);
    expect(after?.ciphertext).not.toEqual(before[0]?.ciphertext);
    expect(await rows(two.credentialId)).toEqual([before[1]]);
    await keys.reencrypt({ namespace }, by());
    await keys.finish();
    expect((await rows(two.credentialId))[0]?.dek_id).not.toBe(before[1]?.dek_id);
    expect([await read('one'), await read('two')]).toEqual(['first', 'value of two']);
    expect(await vault.verify()).toEqual([]);
  });

  it('run one at a time on a namespace, and stop when they are cancelled, with every row whole', async () => {
    for (let at = 0; at < 8; at += 1) await store(`c${String(at)}`);
    await keys.rotate({ namespace }, by());
    const { jobs } = await keys.rewrap({ namespace, root: false }, by());
    const { jobId } = jobs[0]!;
    await expectCode(keys.rewrap({ namespace, root: false }, by()), 'KEY_JOB_RUNNING');
    await expectCode(keys.reencrypt({ namespace }, by()), 'KEY_JOB_RUNNING');
    await expectCode(keys.rewrap({ root: false }, by()), 'KEY_JOB_RUNNING');
    await keys.step();
    expect(await keys.cancel({ jobId }, by())).toMatchObject({ state: 'cancelled', done: 3, total: 8 });
    expect(await keys.cancel({ jobId }, by())).toMatchObject({ state: 'cancelled', done: 3 });
    await keys.finish();
    expect((await keys.status({ namespace }, by())).keks.map((kek) => kek.rows)).toEqual([5, 3]);
    expect(await vault.verify()).toEqual([]);
    await expectCode(keys.job({ jobId: '018f0000-0000-7000-8000-00000000ffff' }, by()), 'KEY_JOB_NOT_FOUND');
  });

  it('leave a row that does not open as it is, say so, and do the others', async () => {
    const { credentialId } = await store('a');
    await store('b');
    await sql(
      `UPDATE credential_version SET wrapped_dek = set_byte(wrapped_dek, 100, get_byte(wrapped_dek, 100) # 1) WHERE credential_id = $1`,
      credentialId,
    );
    const before = await rows(credentialId);
    await keys.rotate({ namespace }, by());
    const { jobs } = await keys.rewrap({ namespace, root: false }, by());
    await keys.finish();
    expect(await keys.job({ jobId: jobs[0]!.jobId }, by())).toMatchObject({
      ...{ state: 'completed', done: 2, damaged: 1, error: 'CREDENTIAL_DAMAGED' },
    });
    expect(await rows(credentialId)).toEqual(before);
    expect(await vault.verify()).toMatchObject([{ credentialId, version: 1 }]);
    await expectCode(keys.destroy({ namespace, version: 1 }, by()), 'KEY_IN_USE');
    await sql(
      `UPDATE credential_version SET wrapped_dek = set_byte(wrapped_dek, 100, get_byte(wrapped_dek, 100) # 1) WHERE credential_id = $1`,
      credentialId,
    );
  });

  it('do once more for rows that came under an older KEK behind their cursor', async () => {
    const { credentialId } = await store('a');
    for (let at = 0; at < 4; at += 1) await store(`c${String(at)}`);
    // A store that fetched its key before the rotation, and commits after the job has passed it.
    const slow = await vault.values.openNamespace(namespace);
    await keys.rotate({ namespace }, by());
    const { jobs } = await keys.rewrap({ namespace, root: false }, by());
    await keys.step();
    const late = slow.seal({ credentialId, version: 2 }, { value: text('late') });
    await vault.mutations.run(by(), async (transaction) => {
      await insertLate(transaction, credentialId, late);
      return { reply: {} };
    });
    await keys.finish();
    expect(await keys.job({ jobId: jobs[0]!.jobId }, by())).toMatchObject({ state: 'completed', damaged: 0 });
    expect((await keys.status({ namespace }, by())).keks.map((kek) => kek.rows)).toEqual([0, 6]);
  });

  it('destroy a KEK only when nothing is under it, and never under a row that is just being written', async () => {
    const { credentialId } = await store('a');
    const slow = await vault.values.openNamespace(namespace);
    await expectCode(keys.destroy({ namespace, version: 1 }, by()), 'KEY_IN_USE');
    await keys.rotate({ namespace }, by());
    await expectCode(keys.destroy({ namespace, version: 1 }, by()), 'KEY_IN_USE');
    await keys.rewrap({ namespace, root: false }, by());
    await keys.finish();
    await expectCode(keys.destroy({ namespace, version: 7 }, by()), 'NAMESPACE_NOT_FOUND');
    await keys.destroy({ namespace, version: 1 }, by());
    expect((await keys.status({ namespace }, by())).keks[0]).toMatchObject({
      version: 1,
      state: 'destroyed',
      rows: 0,
    });
    // The database itself refuses a row under it, whoever writes it.
    const late = slow.seal({ credentialId, version: 2 }, { value: text('late') });
    await expectCode(
      vault.mutations.run(by(), async (transaction) => {
        await insertLate(transaction, credentialId, late);
        return { reply: {} };
      }),
      'STORE_UNAVAILABLE',
    );
    await expect(sql('DELETE FROM namespace_kek WHERE destroyed_at IS NOT NULL')).rejects.toThrow();
    expect(await read('a')).toBe('value of a');
    expect(await vault.verify()).toEqual([]);
  });

  it('wait for a writer before they destroy the KEK that it uses', async () => {
    const { credentialId } = await store('a');
    const slow = await vault.values.openNamespace(namespace);
    await keys.rotate({ namespace }, by());
    await keys.rewrap({ namespace, root: false }, by());
    await keys.finish();
    const late = slow.seal({ credentialId, version: 2 }, { value: text('late') });
    let destroyed: Promise<unknown> = Promise.resolve();
    await vault.mutations.run(by(), async (transaction) => {
      await insertLate(transaction, credentialId, late);
      destroyed = expectCode(keys.destroy({ namespace, version: 1 }, by()), 'KEY_IN_USE');
      await eventually(async () =>
        expect(await sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).not.toEqual([]),
      );
      return { reply: {} };
    });
    await destroyed;
  });

  it('rewrap the root: every KEK and system key under the KMS as it is now, and none that does not read back', async () => {
    await store('a');
    const wrapped = () =>
      sql('SELECT kek_id, wrapped FROM namespace_kek WHERE destroyed_at IS NULL ORDER BY kek_id');
    const before = await wrapped();
    const { jobs } = await keys.rewrap({ root: true }, by());
    expect(jobs).toMatchObject([{ kind: 'rewrap-root', namespace: null }]);
    let asked = 0;
    const altering: Kms = {
      ...vault.kmsPort,
      unwrapKey(...of) {
        asked += 1;
        return asked === 2
          ? Promise.resolve(new Secret(new Uint8Array(32), 'altered'))
          : vault.kmsPort.unwrapKey(...of);
      },
    };
    const [job] = await keys.running();
    await expectCode(openKeyVault({ ...vault, kmsPort: altering }).runBatch(job!), 'KMS_UNAVAILABLE');
    expect(await wrapped()).toEqual(before);
    await keys.finish();
    const after = await wrapped();
    expect(after.map(({ kek_id }) => kek_id)).toEqual(before.map(({ kek_id }) => kek_id));
    for (const [at, row] of after.entries()) expect(row.wrapped).not.toEqual(before[at]?.wrapped);
    vault.keyring.drop();
    expect(await read('a')).toBe('value of a');
  });

  it('rewrap the root: to another KMS, after which the first one is not needed any more', async () => {
    await store('a');
    await keys.rotate({ namespace }, by());
    await store('b');
    const { kms: next } = makeFakeKms();
    // Wraps by the next one, opens by either: what any-of of both does.
    const both: Kms = {
      ...next,
      provider: 'next',
      keyId: 'next-1',
      unwrapKey: (wrapped, context) =>
        next.unwrapKey(wrapped, context).catch(() => vault.kmsPort.unwrapKey(wrapped, context)),
    };
    const moving = openKeyVault({ ...vault, kmsPort: both });
    await moving.rewrap({ root: true }, by());
    await moving.finish();
    const { keks } = await keys.status({}, by());
    expect(
      new Set(keks.filter(({ state }) => state !== 'destroyed').map(({ provider }) => provider)),
    ).toEqual(new Set(['next']));
    const keyring = makeKeyring({ kms: next, store: makeKekStore(vault.dataSource), clock: systemClock });
    const { dataSource, seal } = vault;
    expect(await verifyRows({ dataSource, seal, values: makeValueVault(keyring) })).toEqual([]);
    // And back, for the specs after this.
    const back: Kms = { ...vault.kmsPort, unwrapKey: (...of) => both.unwrapKey(...of) };
    const returning = openKeyVault({ ...vault, kmsPort: back });
    await returning.rewrap({ root: true }, by());
    await returning.finish();
    vault.keyring.drop();
    expect(await read('a')).toBe('value of a');
  });

  it('are worked on by two instances at once: every row once, and nothing fails', async () => {
    for (let at = 0; at < 30; at += 1) await store(`c${String(at)}`);
    await keys.rotate({ namespace }, by());
    await keys.reencrypt({ namespace }, by());
    const batches: string[] = [];
    const failures: unknown[] = [];
    const workers = ['one', 'two'].map((instance) =>
      makeKeyJobWorker({
        listRunning: keys.running,
        runBatch: keys.runBatch,
        fail: (job, error) => keys.fail(job, error),
        noteWaiting: () => Promise.resolve(),
        onBatch(_job, outcome) {
          if (outcome !== 'not-ours') batches.push(instance);
        },
        onError: (_job, code) => void failures.push(code),
      }),
    );
    for (const worker of workers) worker.start();
    await eventually(async () => expect(await keys.running()).toEqual([]), { timeoutMs: 30_000 });
    await Promise.all(workers.map((worker) => worker.stop()));
    expect(failures).toEqual([]);
    expect(batches.length).toBe(11); // ten full ones, and one that finds the end
    expect(await vault.verify()).toEqual([]);
    expect((await keys.status({ namespace }, by())).keks.map((kek) => kek.rows)).toEqual([0, 30]);
  });

  it('wait while the KMS is away, say what for, and go on; a bug ends them', async () => {
    await store('a');
    await keys.rotate({ namespace }, by());
    const { jobs } = await keys.rewrap({ namespace, root: false }, by());
    vault.keyring.drop();
    vault.kms.away = true;
    const [job] = await keys.running();
    await expectCode(keys.runBatch(job!), 'KMS_UNAVAILABLE');
    expect(await keys.job({ jobId: jobs[0]!.jobId }, by())).toMatchObject({ state: 'running', done: 0 });
    vault.kms.away = false;
    await keys.fail(job!, 'INTERNAL');
    expect(await keys.job({ jobId: jobs[0]!.jobId }, by())).toMatchObject({
      state: 'failed',
      error: 'INTERNAL',
    });
    const ended = await sql(
      `SELECT convert_from(payload, 'utf8')::jsonb AS record FROM outbox WHERE convert_from(payload, 'utf8') LIKE '%' || $1 || '%' ORDER BY seq`,
      jobs[0]!.jobId,
    );
    expect(ended.at(-1)?.record).toMatchObject({
      type: 'namespace-key.rewrapped',
      outcome: 'failure',
      code: 'INTERNAL',
      principal: 'operator',
    });
  });

  it('are for operators only', async () => {
    await store('a');
    for (const principal of ['writer', 'reader', 'nobody']) {
      await expectCode(keys.rotate({ namespace }, callBy(principal)), 'DENIED');
      await expectCode(keys.rewrap({ root: true }, callBy(principal)), 'DENIED');
      await expectCode(keys.reencrypt({ namespace }, callBy(principal)), 'DENIED');
      await expectCode(keys.destroy({ namespace, version: 1 }, callBy(principal)), 'DENIED');
      await expectCode(keys.status({}, callBy(principal)), 'DENIED');
    }
    await keys.status({}, callBy('auditor'));
    await expectCode(keys.rotate({ namespace }, callBy('auditor')), 'DENIED');
  });
});
