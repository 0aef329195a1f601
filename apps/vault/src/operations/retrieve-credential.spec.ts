import { beforeEach, describe, expect, it } from '@jest/globals';
import { failure, toPublicError, type PublicError } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

describe('retrieveCredential', () => {
  let vault: TestVault;
  const retrieve = (
    principal: string,
    name = 'stripe',
    more: { version?: number; stage?: 'current' | 'previous' } = {},
  ) => vault.operations.retrieveCredential({ name, ...more }, callBy(principal));
  const storeStripe = (value = API_KEY, expectedVersion?: number) =>
    vault.operations.storeCredential(
      {
        name: 'stripe',
        type: 'api_key',
        values: { value: text(value) },
        ...(expectedVersion === undefined ? {} : { expectedVersion }),
      },
      callBy('writer'),
    );
  const publicErrorOf = (work: Promise<unknown>): Promise<PublicError> =>
    work.then(
      () => Promise.reject(new Error('expected a failure')),
      (error: unknown) => toPublicError(error),
    );

  beforeEach(async () => {
    vault = makeTestVault();
    await storeStripe();
    vault.journaled.length = 0;
  });

  it('hands out the value to who may have it, after a durable record with the whole decision', async () => {
    let released = false;
    vault.onJournal = () => expect(released).toBe(false);
    const reply = await retrieve('reader');
    released = true;
    expect(textOf(reply.values.value)).toBe(API_KEY);
    expect(reply).toMatchObject({
      name: 'stripe',
      type: 'api_key',
      version: 1,
      stage: 'current',
      stale: false,
    });

    const { record, beside } = vault.journaled[0]!;
    expect(record).toMatchObject({
      type: 'credential.retrieved',
      outcome: 'success',
      principal: 'reader',
      resource: { kind: 'credential', id: reply.credentialId, version: 1, revision: reply.revision },
      decision: {
        effect: 'permit',
        bundleVersion: 1,
        determiningPolicies: ['role.reader'],
        request: {
          action: 'retrieve',
          principal: { name: 'reader', roles: ['reader'] },
          resource: { id: reply.credentialId },
        },
      },
    });
    // The name stands beside, never in the leaf; and a value in neither.
    expect(JSON.stringify(record)).not.toContain('stripe');
    expect(beside).toMatchObject({ name: 'stripe' });
    expect(JSON.stringify(vault.journaled)).not.toContain(API_KEY);
  });

  it('refuses to reveal when the journal is down, and wipes what it had opened', async () => {
    vault.onJournal = () => Promise.reject(failure('AUDIT_UNAVAILABLE'));
    await expectCode(retrieve('reader'), 'AUDIT_UNAVAILABLE');
    expect(vault.opened).toHaveLength(1);
    expect(() => vault.opened[0]?.value?.expose()).toThrow(/dispose/);
  });

  it('hands out what has expired, marked in reply and record', async () => {
    await vault.operations.updateCredential(
      { name: 'stripe', expiresAt: new Date(vault.clock.now() + 1_000).toISOString() },
      callBy('writer'),
    );
    expect((await retrieve('reader')).expired).toBeUndefined();
    vault.clock.advance(1_000);
    expect(await retrieve('reader')).toMatchObject({ expired: true });
    expect(vault.journaled.at(-1)?.record.facts).toEqual({ expired: true });
  });

  it('refuses what has expired where the credential policy says so', async () => {
    vault.tables.tamper((tables) => ({
      ...tables,
      credentials: new Map(
        [...tables.credentials].map(([id, credential]) => [
          id,
          { ...credential, expiresAtMs: 1, policy: { ...credential.policy, atExpiry: 'refuse' as const } },
        ]),
      ),
    }));
    await expectCode(retrieve('reader'), 'CREDENTIAL_EXPIRED');
    expect(vault.opened).toEqual([]);
  });

  it('opens nothing for somebody who is denied', async () => {
    await expectCode(retrieve('nobody'), 'CREDENTIAL_NOT_FOUND');
    expect(vault.opened).toEqual([]);
  });

  it('answers a denied caller exactly as if there were no such credential, and records the truth of both', async () => {
    const denied = await publicErrorOf(retrieve('nobody'));
    const absent = await publicErrorOf(retrieve('nobody', 'absent'));
    expect(JSON.stringify(denied)).toBe(JSON.stringify(absent));
    const [first, second] = vault.journaled.map(({ record }) => record);
    expect(first).toMatchObject({
      outcome: 'denied',
      code: 'DENIED',
      decision: { effect: 'forbid' },
      resource: { kind: 'credential' },
    });
    expect(first?.resource?.id).toBeDefined();
    expect(second).toMatchObject({
      outcome: 'failure',
      code: 'CREDENTIAL_NOT_FOUND',
      decision: { effect: 'forbid' },
    });
    expect(second?.resource?.id).toBeUndefined();
  });

  it('says DENIED to who may describe the credential', async () => {
    await expectCode(retrieve('auditor'), 'DENIED');
    expect(vault.journaled[0]?.record).toMatchObject({
      outcome: 'denied',
      code: 'DENIED',
      decision: { request: { action: 'retrieve' } },
    });
  });

  it.each(['nobody', 'reader'])(
    'waits for the record of a refusal of %s as long as for a release',
    async (principal) => {
      vault.onJournal = () => Promise.reject(failure('AUDIT_UNAVAILABLE'));
      await expectCode(retrieve(principal, 'absent'), 'AUDIT_UNAVAILABLE');
      await expectCode(retrieve(principal), 'AUDIT_UNAVAILABLE');
    },
  );

  it('selects versions by stage and number; pending and revoked ones it hands to nobody', async () => {
    await storeStripe(`${API_KEY}-2`, 1);
    expect(textOf((await retrieve('reader')).values.value)).toBe(`${API_KEY}-2`);
    expect(textOf((await retrieve('reader', 'stripe', { stage: 'previous' })).values.value)).toBe(API_KEY);
    expect((await retrieve('reader', 'stripe', { version: 1 })).stage).toBe('previous');
    await expectCode(retrieve('reader', 'stripe', { version: 1, stage: 'current' }), 'VERSION_NOT_FOUND');
    await expectCode(retrieve('reader', 'stripe', { version: 3 }), 'VERSION_NOT_FOUND');
    await storeStripe(`${API_KEY}-3`, 2);
    await expectCode(retrieve('reader', 'stripe', { version: 1 }), 'VERSION_NOT_FOUND');
  });

  it('begins again when the credential changed before the release', async () => {
    let changed = false;
    vault.onJournal = async () => {
      if (changed) return;
      changed = true;
      await storeStripe(`${API_KEY}-2`, 1);
    };
    const reply = await retrieve('reader');
    expect(reply.version).toBe(2);
    expect(textOf(reply.values.value)).toBe(`${API_KEY}-2`);
    expect(() => vault.opened[0]?.value?.expose()).toThrow(/dispose/);
  });

  it('decides again when the policy changed before the release', async () => {
    vault.onJournal = () => {
      vault.policy.version = 2;
      vault.policy.forbid = ({ principal }) => principal.name === 'reader';
    };
    await expectCode(retrieve('reader'), 'CREDENTIAL_NOT_FOUND');
    expect(() => vault.opened[0]?.value?.expose()).toThrow(/dispose/);
  });

  it('marks a stale answer in reply and record; denied and missing are still alike', async () => {
    vault.tables.control.stale = true;
    expect((await retrieve('reader')).stale).toBe(true);
    expect(vault.journaled[0]?.record.facts).toEqual({ stale: true });
    const denied = await publicErrorOf(retrieve('nobody'));
    expect(denied).toEqual(await publicErrorOf(retrieve('nobody', 'absent')));
    expect(denied.code).toBe('STORE_UNAVAILABLE');
  });

  it('goes on with the cached key when the KMS is away, until its time is over', async () => {
    vault.kms.away = true;
    expect(textOf((await retrieve('reader')).values.value)).toBe(API_KEY);
    vault.clock.advance(5 * 60_000);
    await expectCode(retrieve('reader'), 'KMS_UNAVAILABLE');
    vault.kms.away = false;
    expect(textOf((await retrieve('reader')).values.value)).toBe(API_KEY);
  });

  it('refuses a ciphertext that was moved to another credential', async () => {
    await vault.operations.storeCredential(
      { name: 'other', type: 'api_key', values: { value: text(`${API_KEY}x`) } },
      callBy('writer'),
    );
    vault.tables.tamper((tables) => {
      const rows = [...tables.versions.values()];
      const moved = rows.map((row, at) => ({
        ...row,
        ciphertext: rows[1 - at]!.ciphertext,
        wrappedDek: rows[1 - at]!.wrappedDek,
        dekId: rows[1 - at]!.dekId,
      }));
      return {
        ...tables,
        versions: new Map(moved.map((row) => [`${row.credentialId}/${String(row.version)}`, row])),
      };
    });
    await expectCode(retrieve('reader'), 'CREDENTIAL_DAMAGED');
    expect(vault.journaled.at(-1)?.record).toMatchObject({ outcome: 'failure', code: 'CREDENTIAL_DAMAGED' });
  });

  it('knows default/x and x as one credential', async () => {
    expect((await retrieve('reader', 'default/stripe')).name).toBe('stripe');
  });
});
