import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { expectCode, makeTestClock, type TestClock } from '@keymesh/testing';
import { aCredential } from '../../test/a-credential.js';
import type { Credential } from '../domain/credential.js';
import type { ChangedRow } from './index-entries.js';
import { makeMetadataIndex, type CoherentIndex } from './metadata-index.js';

/** Postgres as the index sees it: rows with the transaction that wrote them; every write is one. */
function makeFakePostgres() {
  const rows = new Map<string, ChangedRow>();
  const control = { xid: 1, away: false, questions: 0, gate: Promise.resolve() };
  return {
    control,
    write(credential: Credential, damaged = false) {
      const changedXid = String((control.xid += 1));
      const { credentialId, name } = credential;
      rows.set(credentialId, {
        credentialId,
        name,
        changedXid,
        credential: damaged ? undefined : credential,
      });
    },
    async loadChanges(since: string | undefined) {
      control.questions += 1;
      const snapshot = { xmin: String(control.xid), rows: [...rows.values()] };
      await control.gate;
      if (control.away) throw failure('STORE_UNAVAILABLE');
      const isLive = ({ credential }: ChangedRow) => credential?.deletedAtMs === null;
      return {
        xmin: snapshot.xmin,
        rows: snapshot.rows.filter((row) =>
          since === undefined ? isLive(row) : BigInt(row.changedXid) >= BigInt(since),
        ),
      };
    },
  };
}

describe('the metadata index', () => {
  let postgres: ReturnType<typeof makeFakePostgres>;
  let clock: TestClock;
  let index: CoherentIndex;
  const make = (staleForSeconds = 900) =>
    makeMetadataIndex({
      loadChanges: (since) => postgres.loadChanges(since),
      clock,
      staleForSeconds,
      nameTag: (name) => `tag of ${name}`,
    });
  const revisionOf = async (name: string) => {
    const { credential, stale } = await index.findByName(name);
    return { revision: credential?.revision, stale };
  };

  beforeEach(async () => {
    postgres = makeFakePostgres();
    clock = makeTestClock();
    postgres.write(aCredential({ name: 'a', credentialId: '1', revision: 1 }));
    index = make();
    await index.start();
    index.stop(); // the specs ask by themselves
  });

  it('answers from memory, absences too, for less than a second', async () => {
    clock.advance(999);
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: false });
    expect(await revisionOf('b')).toEqual({ revision: undefined, stale: false });
    expect(postgres.control.questions).toBe(1);
    clock.advance(1);
    postgres.write(aCredential({ name: 'a', credentialId: '1', revision: 2 }));
    expect((await revisionOf('a')).revision).toBe(2);
    expect(postgres.control.questions).toBe(2);
  });

  it('counts the second from before the question was sent', async () => {
    clock.advance(1_000);
    let answer: () => void = () => undefined;
    postgres.control.gate = new Promise((resolve) => (answer = resolve));
    const slow = revisionOf('a');
    clock.advance(600);
    answer();
    await slow;
    const lookup = await index.findByName('a');
    expect(index.stillHolds(lookup)).toBe(true);
    clock.advance(400);
    expect(index.stillHolds(lookup)).toBe(false);
  });

  it('asks once for all who wait', async () => {
    clock.advance(2_000);
    await Promise.all(Array.from({ length: 20 }, () => revisionOf('a')));
    expect(postgres.control.questions).toBe(2);
  });

  it('asks again for a name that was invalidated, and only for that', async () => {
    postgres.write(aCredential({ name: 'b', credentialId: '2', revision: 2 }));
    clock.advance(1);
    index.invalidate('tag of b', '2', false);
    clock.advance(1);
    expect((await revisionOf('a')).revision).toBe(1);
    expect(postgres.control.questions).toBe(1);
    expect((await revisionOf('b')).revision).toBe(2);
    expect(postgres.control.questions).toBe(2);
  });

  it('does not take the answer to an older question for an invalidated name', async () => {
    clock.advance(1_000);
    let answer: () => void = () => undefined;
    postgres.control.gate = new Promise((resolve) => (answer = resolve));
    const before = revisionOf('b'); // the question that began before the write
    clock.advance(1);
    postgres.write(aCredential({ name: 'b', credentialId: '2', revision: 2 }));
    index.invalidate('tag of b', '2', false);
    clock.advance(1);
    const after = revisionOf('b');
    answer();
    await before;
    expect((await after).revision).toBe(2);
  });

  it('lets nothing be released that was changed, deleted or invalidated since it was found', async () => {
    const found = await index.findByName('a');
    expect(index.stillHolds(found)).toBe(true);
    clock.advance(1);
    index.invalidate('tag of a', '1', false);
    expect(index.stillHolds(found)).toBe(false);
    clock.advance(1);
    await revisionOf('a');
    expect(index.stillHolds(found)).toBe(true); // it was read again and is the same row
    postgres.write(aCredential({ name: 'a', credentialId: '1', revision: 2 }));
    clock.advance(1_000);
    await revisionOf('a');
    expect(index.stillHolds(found)).toBe(false);
  });

  it('forgets everything when messages may have been missed', async () => {
    clock.advance(1);
    index.withdrawAll();
    clock.advance(1);
    await revisionOf('a');
    expect(postgres.control.questions).toBe(2);
  });

  it('serves what it knew, marked stale, while Postgres is away; and then no more', async () => {
    clock.advance(1_000);
    postgres.control.away = true;
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: true });
    const lookup = await index.findByName('a');
    expect(index.stillHolds(lookup)).toBe(true);
    clock.advance(899_000);
    await expectCode(revisionOf('a'), 'STORE_UNAVAILABLE');
    expect(index.stillHolds(lookup)).toBe(false);
    postgres.control.away = false;
    clock.advance(1_000);
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: false });
  });

  // Else an instance without Postgres would go on revealing, for a quarter of an hour, what it has acknowledged as destroyed.
  it('does not serve as stale what it was told is taken away, until Postgres has answered', async () => {
    postgres.write(aCredential({ name: 'b', credentialId: '2', revision: 2 }));
    clock.advance(1_000);
    await revisionOf('b');
    clock.advance(1_000);
    postgres.control.away = true;
    const found = await index.findByName('a');
    expect(found.stale).toBe(true);
    clock.advance(1);
    index.invalidate('tag of a', '1', true);
    expect(index.stillHolds(found)).toBe(false);
    await expectCode(revisionOf('a'), 'STORE_UNAVAILABLE');
    await expectCode(index.findById('1'), 'STORE_UNAVAILABLE');
    expect(await revisionOf('b')).toEqual({ revision: 2, stale: true }); // of others nothing was taken away
    index.invalidate('tag of b', '2', false);
    expect(await revisionOf('b')).toEqual({ revision: 2, stale: true }); // a new version takes nothing away
    postgres.control.away = false;
    clock.advance(1_000);
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: false });
    clock.advance(1_000);
    postgres.control.away = true;
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: true });
  });

  it('serves nothing as stale when messages may have been missed while Postgres is away', async () => {
    clock.advance(1_000);
    postgres.control.away = true;
    const found = await index.findByName('a');
    clock.advance(1);
    index.withdrawAll();
    expect(index.stillHolds(found)).toBe(false);
    await expectCode(revisionOf('a'), 'STORE_UNAVAILABLE');
    postgres.control.away = false;
    clock.advance(1_000);
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: false });
  });

  it('does not wait for a Postgres that hangs, but the first time', async () => {
    clock.advance(1_000);
    postgres.control.gate = new Promise(() => undefined);
    const started = performance.now();
    const first = revisionOf('a');
    clock.advance(750);
    expect(await revisionOf('a')).toEqual({ revision: 1, stale: true });
    expect(performance.now() - started).toBeLessThan(500);
    expect((await first).stale).toBe(true);
  });

  it('with a stale time of 0 serves nothing that is not current', async () => {
    index = make(0);
    await index.start();
    index.stop();
    clock.advance(1_000);
    postgres.control.away = true;
    await expectCode(revisionOf('a'), 'STORE_UNAVAILABLE');
  });

  it('knows a name that was deleted and stored again by its new id, in whatever order the rows come', async () => {
    postgres.write(aCredential({ name: 'a', credentialId: '2', revision: 3 }));
    postgres.write(aCredential({ name: 'a', credentialId: '1', revision: 2, deletedAtMs: 1 }));
    clock.advance(1_000);
    expect((await index.findByName('a')).credential?.credentialId).toBe('2');
    expect((await index.findById('1')).credential).toBeUndefined();
    expect((await index.listByName()).credentials.map(({ credentialId }) => credentialId)).toEqual(['2']);
  });

  it('answers CREDENTIAL_DAMAGED where somebody put an older row back, also of a deleted credential', async () => {
    const old = aCredential({ name: 'a', credentialId: '1', revision: 1 });
    postgres.write({ ...old, revision: 5 });
    clock.advance(1_000);
    expect((await revisionOf('a')).revision).toBe(5);
    postgres.write(old);
    clock.advance(1_000);
    await expectCode(index.findByName('a'), 'CREDENTIAL_DAMAGED');
    postgres.write({ ...old, revision: 6, deletedAtMs: 1 });
    clock.advance(1_000);
    expect((await revisionOf('a')).revision).toBeUndefined();
    postgres.write(old);
    clock.advance(1_000);
    await expectCode(index.findByName('a'), 'CREDENTIAL_DAMAGED');
  });

  it('answers CREDENTIAL_DAMAGED for a row whose HMAC does not hold, whatever name it claims', async () => {
    postgres.write(aCredential({ name: 'c', credentialId: '1', revision: 2 }), true);
    clock.advance(1_000);
    await expectCode(index.findByName('a'), 'CREDENTIAL_DAMAGED');
    await expectCode(index.findByName('c'), 'CREDENTIAL_DAMAGED');
    await expectCode(index.findById('1'), 'CREDENTIAL_DAMAGED');
    expect((await index.listByName()).credentials).toEqual([]);
  });
});
