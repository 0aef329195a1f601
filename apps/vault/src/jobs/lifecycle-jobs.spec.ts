import { beforeEach, describe, expect, it } from '@jest/globals';
import { EVENTS, failure } from '@keymesh/contracts';
import { DAY, HOUR } from '@keymesh/kernel';
import { eventually } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, type TestVault } from '../../test/fakes.js';
import { makeDeadlineLoop } from './deadline-loop.js';
import { makeExpiryRound } from './expiry.js';
import { makePurgeRound } from './purge.js';

let vault: TestVault;
const portsOf = (of: TestVault) => ({
  index: of.tables.index,
  deleted: of.tables.deleted,
  mutations: of.tables.mutations,
  clock: of.clock,
  instance: 'test-1',
  pokeOutbox: () => undefined,
});
const written = () =>
  vault.tables.tables().outbox.map(({ kind, subject, payload, beside }) => ({
    kind,
    subject,
    beside,
    content: JSON.parse(Buffer.from(payload).toString()) as {
      type?: string;
      facts?: Record<string, unknown>;
    },
  }));

beforeEach(async () => {
  vault = makeTestVault();
  await vault.operations.storeCredential(
    {
      name: 'key',
      type: 'generic',
      values: { value: text(API_KEY) },
      expiresAt: new Date(vault.clock.now() + 40 * DAY).toISOString(),
    },
    callBy('writer'),
  );
});

describe('the expiry job', () => {
  const notices = () =>
    written().flatMap(({ content: { type, facts } }) =>
      type === 'credential.expiring' || type === 'credential.expired' ? [facts?.daysBefore ?? 0] : [],
    );

  it('gives each notice once, with record and event, and knows its next deadline', async () => {
    const round = makeExpiryRound(portsOf(vault));
    expect(await round()).toBe(vault.clock.now() + 10 * DAY);
    expect(notices()).toEqual([]);
    for (let day = 0; day < 45; day += 1) {
      vault.clock.advance(DAY);
      await round();
      await round();
    }
    expect(notices()).toEqual([30, 14, 7, 1, 0]);
    expect(await round()).toBeUndefined();
    const events = written()
      .filter(({ kind }) => kind === 'event')
      .slice(-5);
    expect(events.map(({ subject }) => subject)).toEqual([
      ...Array<string>(4).fill(EVENTS.credentialExpiring.subject),
      EVENTS.credentialExpired.subject,
    ]);
    expect(EVENTS.credentialExpiring.schema.parse(events[0]?.content)).toMatchObject({ daysBefore: 30 });
    const record = written().find(({ content }) => content.type === 'credential.expired');
    expect(record).toMatchObject({
      content: { outcome: 'success', resource: { kind: 'credential' }, facts: { atExpiry: 'serve' } },
      beside: { name: 'key' },
    });
    expect(JSON.stringify(record?.content)).not.toContain('"key"');
  });

  it('does not repeat them after a restart, and does not make up for those that time has passed', async () => {
    vault.clock.advance(35 * DAY);
    await makeExpiryRound(portsOf(vault))();
    await makeExpiryRound(portsOf(vault))();
    expect(notices()).toEqual([7]);
  });

  it('begins anew with another expiry', async () => {
    vault.clock.advance(39 * DAY + HOUR);
    const round = makeExpiryRound(portsOf(vault));
    await round();
    const expiresAt = new Date(vault.clock.now() + 14 * DAY).toISOString();
    await vault.operations.updateCredential({ name: 'key', expiresAt }, callBy('writer'));
    await round();
    expect(notices()).toEqual([1, 14]);
  });

  it('leaves it to the instance that is at it, and gives none from stale memory', async () => {
    vault.clock.advance(20 * DAY);
    const round = makeExpiryRound(portsOf(vault));
    vault.tables.control.jobHeld = true;
    await round();
    vault.tables.control.jobHeld = false;
    vault.tables.control.stale = true;
    await round();
    expect(notices()).toEqual([]);
    vault.tables.control.stale = false;
    await round();
    expect(notices()).toEqual([30]);
  });
});

describe('the purge job', () => {
  const failures: unknown[] = [];
  const purge = () =>
    makePurgeRound({ ...portsOf(vault), onFailure: (_id, error) => void failures.push(error) })();

  it('destroys every version when the window is over, not before, and once', async () => {
    const { credentialId } = await vault.operations.deleteCredential({ name: 'key' }, callBy('writer'));
    vault.clock.advance(30 * DAY - 1);
    await purge();
    expect(vault.tables.tables().credentials.get(credentialId)?.purgedAtMs).toBeNull();
    vault.clock.advance(1);
    await purge();
    await purge();
    const purgedAtMs = vault.clock.now();
    expect(vault.tables.tables().credentials.get(credentialId)?.purgedAtMs).toBe(purgedAtMs);
    const [row] = [...vault.tables.tables().versions.values()];
    expect(row).toMatchObject({ stage: 'current', destroyedAtMs: purgedAtMs, fingerprint: null });
    expect(row!.ciphertext).toHaveLength(0);
    const records = written().filter(({ content }) => content.type === 'credential.purged');
    expect(records).toMatchObject([{ content: { facts: { versions: 1 } }, beside: { name: 'key' } }]);
    expect(failures).toEqual([]);
  });

  it('leaves what was restored', async () => {
    const { credentialId } = await vault.operations.deleteCredential({ name: 'key' }, callBy('writer'));
    vault.clock.advance(30 * DAY - 1);
    await vault.operations.restoreCredential({ name: 'key' }, callBy('writer'));
    vault.clock.advance(DAY);
    await purge();
    expect(vault.tables.tables().credentials.get(credentialId)).toMatchObject({ purgedAtMs: null });
  });
});

describe('a deadline loop', () => {
  it('runs at the deadline, again after a failure is reported, and not after its stop', async () => {
    let runs = 0;
    const errors: unknown[] = [];
    const loop = makeDeadlineLoop({
      runOnce: () => {
        runs += 1;
        return runs === 4 ? Promise.reject(failure('STORE_UNAVAILABLE')) : Promise.resolve(vault.clock.now());
      },
      clock: vault.clock,
      onError: (error) => void errors.push(error),
    });
    loop.start();
    await eventually(() => expect(errors).toHaveLength(1));
    await loop.stop();
    expect(runs).toBe(4);
  });
});
