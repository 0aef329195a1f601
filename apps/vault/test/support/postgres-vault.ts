import { randomBytes } from 'node:crypto';
import { makeAskPolicy } from '@keymesh/service-kit';
import { makeSigningKey, Secret, systemClock } from '@keymesh/kernel';
import type { TestPostgres } from '@keymesh/testing';
import type { DataSource } from 'typeorm';
import { makeAudited } from '../../src/domain/audit-trail.js';
import { readCommonPasswords } from '../../src/domain/quality/common-passwords.js';
import { makeCredentialPolicies } from '../../src/domain/quality/credential-policies.js';
import { guessBits } from '../../src/domain/quality/guessability.js';
import { makeJudgeValue } from '../../src/domain/quality/judge-value.js';
import { makeRowSeal, type RowSeal } from '../../src/domain/row-mac.js';
import { makeExpiryRound } from '../../src/jobs/expiry.js';
import { makePurgeRound } from '../../src/jobs/purge.js';
import { makeKeyring } from '../../src/kms/keyring.js';
import { makeValueVault } from '../../src/kms/value-vault.js';
import { makeActivateCredential } from '../../src/operations/activate-credential.js';
import { makeCredentialHistory } from '../../src/operations/credential-history.js';
import { makeDeactivateCredential } from '../../src/operations/deactivate-credential.js';
import { makeDeleteCredential } from '../../src/operations/delete-credential.js';
import { makeDestroyVersion } from '../../src/operations/destroy-version.js';
import { makeDiscardVersion } from '../../src/operations/discard-version.js';
import { makeListCredentials } from '../../src/operations/list-credentials.js';
import { makePrepareVersion } from '../../src/operations/prepare-version.js';
import { makePromoteVersion } from '../../src/operations/promote-version.js';
import { makeRestoreCredential } from '../../src/operations/restore-credential.js';
import { makeRetrieveCredential } from '../../src/operations/retrieve-credential.js';
import { makeRevealVersion } from '../../src/operations/reveal-version.js';
import { makeStoreCredential } from '../../src/operations/store-credential.js';
import { makeUpdateCredential } from '../../src/operations/update-credential.js';
import { makeDeletedCredentials } from '../../src/store/deleted-credentials.js';
import { makeKekStore } from '../../src/store/kek-store.js';
import { makeLoadChanges } from '../../src/store/load-changes.js';
import { makeMetadataIndex, type CoherentIndex } from '../../src/store/metadata-index.js';
import { makeMutations } from '../../src/store/mutations.js';
import { makeListVersions, makeLoadVersion, makeVersionReader } from '../../src/store/version-reader.js';
import type { RowProblem } from '../../src/store/row-problem.js';
import { verifyRows } from '../../src/store/verify-rows.js';
import { makeFakeKms, makeFakePolicy, RECOVERY_DAYS } from '../fakes.js';
import { openRows } from './vault-world.js';

const makeSeal = (): RowSeal => makeRowSeal(new Secret(new Uint8Array(randomBytes(32)), 'integrity'));

/** The operations over a real Postgres, without the bus: for specs of rows, locks and histories. */
export async function openPostgresVault(postgres: TestPostgres, { seal = makeSeal() } = {}) {
  const dataSource = await openRows(postgres);
  const index = await openIndex(dataSource, seal);
  const { kms, control: kmsControl } = makeFakeKms();
  const { policy, control: policyControl } = makeFakePolicy();
  const { key: meshKey } = makeSigningKey();
  const keyring = makeKeyring({ kms, store: makeKekStore(dataSource), clock: systemClock });
  const values = makeValueVault(keyring);
  const credentialPolicyOf = makeCredentialPolicies();
  let turnedMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + turnedMs };
  const ports = {
    credentialPolicyOf,
    judgeValue: makeJudgeValue({
      ...{ guessBits, credentialPolicyOf, clock: systemClock },
      isCommon: readCommonPasswords(),
    }),
    audited: makeAudited({ instance: 'spec', clock: systemClock, recordDurably: () => Promise.resolve() }),
    askPolicy: makeAskPolicy(policy, { service: 'vault' }),
    policy,
    clock,
    meshKey,
    values,
    index,
    versions: makeVersionReader({ loadVersion: makeLoadVersion(dataSource, seal), maxBytes: 2 ** 22 }),
    listVersions: makeListVersions(dataSource, seal),
    deleted: makeDeletedCredentials(dataSource, seal),
    mutations: makeMutations({
      dataSource,
      seal,
      afterCommit(changed) {
        if (changed === 'repeated') index.withdrawAll();
        else
          index.invalidate(seal.nameTag(changed.name), changed.credentialId, changed.awaitEveryone === true);
        return Promise.resolve();
      },
    }),
  };
  const purgeFailures: unknown[] = [];
  const actor = { ...ports, instance: 'spec', pokeOutbox: () => undefined };
  return {
    dataSource,
    seal,
    index,
    values,
    keyring,
    kmsPort: kms,
    mutations: ports.mutations,
    kms: kmsControl,
    policy: policyControl,
    store: makeStoreCredential(ports),
    retrieve: makeRetrieveCredential(ports),
    remove: makeDeleteCredential({ ...ports, recoveryDays: RECOVERY_DAYS }),
    restore: makeRestoreCredential(ports),
    destroy: makeDestroyVersion(ports),
    update: makeUpdateCredential(ports),
    activate: makeActivateCredential(ports),
    deactivate: makeDeactivateCredential(ports),
    list: makeListCredentials(ports),
    deleted: ports.deleted,
    purge: makePurgeRound({ ...actor, onFailure: (_id, error) => void purgeFailures.push(error) }),
    purgeFailures,
    giveNotices: makeExpiryRound(actor),
    /** Turns the wall clock of the operations. */
    turnClock: (milliseconds: number) => void (turnedMs += milliseconds),
    turnTo: (nowMs: number) => void (turnedMs = nowMs - systemClock.now()),
    listVersions: ports.listVersions,
    history: makeCredentialHistory(ports),
    prepare: makePrepareVersion(ports),
    promote: makePromoteVersion(ports),
    discard: makeDiscardVersion(ports),
    reveal: makeRevealVersion(ports),
    verify: (): Promise<RowProblem[]> => verifyRows({ dataSource, seal, values }),
    async close() {
      index.stop();
      await dataSource.destroy();
    },
  };
}
export type PostgresVault = Awaited<ReturnType<typeof openPostgresVault>>;

async function openIndex(dataSource: DataSource, seal: RowSeal): Promise<CoherentIndex> {
  const index = makeMetadataIndex({
    loadChanges: makeLoadChanges(dataSource, seal),
    clock: systemClock,
    staleForSeconds: 900,
    nameTag: seal.nameTag,
  });
  await index.start();
  return index;
}
