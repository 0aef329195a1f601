import { beforeEach, describe, expect, it } from '@jest/globals';
import { EVENTS, failure } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

const R1 = '018f0000-0000-7000-8000-000000000001';
const R2 = '018f0000-0000-7000-8000-000000000002';
const UNKNOWN = '018f0000-0000-7000-8000-00000000ffff';

describe('the steps of a rotation', () => {
  let vault: TestVault;
  let credentialId: string;
  const by = () => callBy('_rotation');
  const prepare = (rotationId = R1, principal = '_rotation') =>
    vault.operations.prepareVersion({ credentialId, rotationId }, callBy(principal));
  const promote = (version: number, rotationId = R1) =>
    vault.operations.promoteVersion({ credentialId, rotationId, version }, by());
  const discard = (version: number, rotationId = R1) =>
    vault.operations.discardVersion({ credentialId, rotationId, version }, by());
  const reveal = (version: number, rotationId = R1) =>
    vault.operations.revealVersion({ credentialId, rotationId, version }, by());
  const retrieve = async () =>
    textOf((await vault.operations.retrieveCredential({ name: 'db' }, callBy('reader'))).values.password);
  const stages = () =>
    [...vault.tables.tables().versions.values()].map(({ version, stage }) => `${String(version)} ${stage}`);

  beforeEach(async () => {
    vault = makeTestVault();
    ({ credentialId } = await vault.operations.storeCredential(
      {
        name: 'db',
        type: 'username_password',
        values: { username: text('ada'), password: text(API_KEY) },
        rotation: { adapter: 'generated' },
      },
      callBy('writer'),
    ));
  });

  it('go from pending to current; consumers have a working version at each moment', async () => {
    const { version } = await prepare();
    expect(version).toBe(2);
    expect(await retrieve()).toBe(API_KEY);
    const made = await reveal(2);
    expect(made.stage).toBe('pending');
    expect(textOf(made.values.username)).toBe('ada');
    expect(textOf(made.values.password)).toHaveLength(API_KEY.length);
    await promote(2);
    expect(await retrieve()).toBe(textOf(made.values.password));
    expect(stages()).toEqual(['1 previous', '2 current']);
    expect(vault.tables.tables().outbox.at(-1)?.subject).toBe(EVENTS.versionPromoted.subject);
    expect(vault.tables.told.at(-1)).toMatchObject({ awaitEveryone: true });
  });

  it('are each safe to repeat for the same rotation', async () => {
    const first = await prepare();
    expect((await prepare()).version).toBe(first.version);
    const promoted = await promote(2);
    const records = vault.tables.tables().outbox.length;
    expect(await promote(2)).toEqual(promoted);
    expect((await prepare()).version).toBe(2);
    expect(vault.tables.tables().outbox).toHaveLength(records);
  });

  it('let one rotation at a time prepare, and only its own version be promoted', async () => {
    await prepare();
    await expectCode(prepare(R2), 'ROTATION_IN_PROGRESS');
    await expectCode(promote(2, R2), 'VERSION_NOT_FOUND');
    await expectCode(promote(1), 'VERSION_NOT_FOUND');
  });

  it('end with nothing changed when the rotation gives up', async () => {
    await prepare();
    await discard(2);
    expect(stages()).toEqual(['1 current', '2 revoked']);
    await discard(2);
    await expectCode(promote(2), 'VERSION_CONFLICT');
    expect((await prepare(R2)).version).toBe(3);
    await promote(3, R2);
    await expectCode(discard(3, R2), 'VERSION_CONFLICT');
  });

  it('reveal nothing without an open rotation, nor another version than the live ones', async () => {
    await expectCode(reveal(1), 'VERSION_NOT_FOUND');
    await prepare();
    expect(textOf((await reveal(1)).values.password)).toBe(API_KEY);
    await expectCode(reveal(3), 'VERSION_NOT_FOUND');
    await expectCode(reveal(2, R2), 'VERSION_NOT_FOUND');
    await discard(2);
    await expectCode(reveal(1), 'VERSION_NOT_FOUND');
  });

  it('reveal nothing without a record, and wipe what was opened', async () => {
    await prepare();
    vault.onJournal = () => Promise.reject(failure('AUDIT_UNAVAILABLE'));
    await expectCode(reveal(2), 'AUDIT_UNAVAILABLE');
    expect(() => vault.opened.at(-1)?.password?.expose()).toThrow(/dispose/);
  });

  it('are for the rotation service alone; to others the credential is not there', async () => {
    await expectCode(prepare(R1, 'nobody'), 'CREDENTIAL_NOT_FOUND');
    await expectCode(prepare(R1, 'writer'), 'DENIED');
    await prepare();
    for (const operation of ['promoteVersion', 'discardVersion', 'revealVersion'] as const) {
      await expectCode(
        vault.operations[operation]({ credentialId, rotationId: R1, version: 2 }, callBy('writer')),
        'DENIED',
      );
    }
    await expectCode(
      vault.operations.prepareVersion({ credentialId: UNKNOWN, rotationId: R1 }, by()),
      'CREDENTIAL_NOT_FOUND',
    );
  });

  it('take the values that an adapter gives, if they are strong enough', async () => {
    const given = (password: string) =>
      vault.operations.prepareVersion(
        { credentialId, rotationId: R1, values: { username: text('ada'), password: text(password) } },
        by(),
      );
    await expectCode(given('weak'), 'CREDENTIAL_WEAK');
    const { version } = await given(`${API_KEY}-new`);
    expect(textOf((await reveal(version)).values.password)).toBe(`${API_KEY}-new`);
  });

  it('need a credential that has an adapter', async () => {
    const { credentialId: without } = await vault.operations.storeCredential(
      { name: 'fixed', type: 'api_key', values: { value: text(API_KEY) } },
      callBy('writer'),
    );
    await expectCode(
      vault.operations.prepareVersion({ credentialId: without, rotationId: R1 }, by()),
      'ROTATION_UNSUPPORTED',
    );
    const { credentials } = await vault.operations.listRotatable({}, by());
    expect(credentials.map(({ name }) => name)).toEqual(['db']);
    expect((await vault.operations.listRotatable({ name: 'fixed' }, by())).credentials).toHaveLength(1);
    await expectCode(vault.operations.listRotatable({}, callBy('nobody')), 'DENIED');
  });

  it('are not told that a credential is missing while Postgres is away: it may have just been stored', async () => {
    expect((await vault.operations.listRotatable({ name: 'none' }, by())).credentials).toEqual([]);
    vault.tables.control.stale = true;
    expect((await vault.operations.listRotatable({ name: 'db' }, by())).credentials).toHaveLength(1);
    await expectCode(vault.operations.listRotatable({ name: 'none' }, by()), 'STORE_UNAVAILABLE');
    await expectCode(vault.operations.listRotatable({ credentialId: UNKNOWN }, by()), 'STORE_UNAVAILABLE');
  });
});
