import { createHash } from 'node:crypto';
import { failure, type AuditRecord, type Beside, type Role } from '@keymesh/contracts';
import { Secret, type SigningKey, makeSigningKey } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import { approvableOf, approvalsNeeded, ROLE_ACTIONS, type GivenApproval } from '@keymesh/policy-engine';
import { makeAskPolicy } from '@keymesh/service-kit';
import { makeTestClock } from '@keymesh/testing';
import { makeAudited, makeBeginAttempt, type AuditTrailOptions } from '../src/domain/audit-trail.js';
import type { LeaseRows } from '../src/domain/leases.js';
import type { Credential, CredentialVersion } from '../src/domain/credential.js';
import { liveStageOf, restorableUntilMs } from '../src/domain/credential.js';
import type {
  Announcement,
  Changed,
  Mutated,
  Mutations,
  MutationTransaction,
} from '../src/domain/mutations.js';
import type { Values } from '../src/domain/parts.js';
import { makeTemplates } from '../src/domain/templates/index.js';
import { readCommonPasswords } from '../src/domain/quality/common-passwords.js';
import { makeCredentialPolicies } from '../src/domain/quality/credential-policies.js';
import { guessBits } from '../src/domain/quality/guessability.js';
import { makeJudgeValue } from '../src/domain/quality/judge-value.js';
import type {
  DeletedCredentials,
  ListVersions,
  Lookup,
  MetadataIndex,
  PolicyPort,
  VersionReader,
} from '../src/domain/ports.js';
import { makeKeyring, type KekStore, type WrappedKek } from '../src/kms/keyring.js';
import type { Kms } from '../src/kms/kms.js';
import { makeValueVault } from '../src/kms/value-vault.js';
import { makeBatchRetrieveCredentials } from '../src/operations/batch-retrieve-credentials.js';
import { makeBatchStoreCredentials } from '../src/operations/batch-store-credentials.js';
import { makeDescribeTemplate } from '../src/operations/describe-template.js';
import { makeExportCredentials } from '../src/operations/export-credentials.js';
import { makeImportCredentials } from '../src/operations/import-credentials.js';
import { makeListTemplates } from '../src/operations/list-templates.js';
import { makeActivateCredential } from '../src/operations/activate-credential.js';
import { makeCertifyChannelKey } from '../src/operations/certify-channel-key.js';
import { makeCheckQuality } from '../src/operations/check-quality.js';
import { makeDescribeType } from '../src/operations/describe-type.js';
import { makeListTypes } from '../src/operations/list-types.js';
import { makeCredentialHistory } from '../src/operations/credential-history.js';
import { makeDeactivateCredential } from '../src/operations/deactivate-credential.js';
import { makeDeleteCredential } from '../src/operations/delete-credential.js';
import { makeDescribeCredential } from '../src/operations/describe-credential.js';
import { makeDestroyVersion } from '../src/operations/destroy-version.js';
import { makeDiscardVersion } from '../src/operations/discard-version.js';
import { makeListCredentials } from '../src/operations/list-credentials.js';
import { makeListRotatable } from '../src/operations/list-rotatable.js';
import { makePrepareVersion } from '../src/operations/prepare-version.js';
import { makePromoteVersion } from '../src/operations/promote-version.js';
import { makeRestoreCredential } from '../src/operations/restore-credential.js';
import { makeRetrieveCredential } from '../src/operations/retrieve-credential.js';
import { makeRevealVersion } from '../src/operations/reveal-version.js';
import { makeStoreCredential } from '../src/operations/store-credential.js';
import type {
  BatchOperations,
  CredentialOperations,
  TypeOperations,
  VersionOperations,
} from '../src/transport/operations.js';
import { makeUpdateCredential } from '../src/operations/update-credential.js';

/** A KMS in memory: "wraps" by keeping the key under a number. Switch it off with `away`. */
export function makeFakeKms() {
  const kept: { key: Uint8Array; context: string }[] = [];
  const control = { away: false, unwraps: 0 };
  const check = () => (control.away ? Promise.reject(failure('KMS_UNAVAILABLE')) : Promise.resolve());
  const kms: Kms = {
    provider: 'fake',
    keyId: 'fake-1',
    async wrapKey(plain, context) {
      await check();
      kept.push({ key: Uint8Array.from(plain.expose()), context: JSON.stringify(context) });
      return Buffer.from(String(kept.length - 1));
    },
    async unwrapKey(wrapped, context) {
      await check();
      control.unwraps += 1;
      const found = kept[Number(Buffer.from(wrapped).toString())];
      if (found?.context !== JSON.stringify(context)) throw failure('DECRYPTION_FAILED');
      return new Secret(Uint8Array.from(found.key), 'kek');
    },
  };
  return { kms, control };
}

export function makeFakeKekStore(): KekStore {
  const namespaces = new Map<string, string>();
  const keks: WrappedKek[] = [];
  return {
    ensureNamespace(name, newId) {
      if (!namespaces.has(name)) namespaces.set(name, newId);
      return Promise.resolve(namespaces.get(name) ?? newId);
    },
    findActive: (namespaceId) => Promise.resolve(keks.find((kek) => kek.namespaceId === namespaceId)),
    find: (kekId) => Promise.resolve(keks.find((kek) => kek.kekId === kekId)),
    addFirst(kek) {
      if (!keks.some(({ namespaceId }) => namespaceId === kek.namespaceId)) keks.push(kek);
      return Promise.resolve();
    },
  };
}

/** Leases are a matter of rows and locks: their specs run over Postgres (leases.spec.ts). */
const NO_LEASES: LeaseRows = {
  countLive: () => Promise.resolve(0),
  insert: () => Promise.resolve(),
  lock: () => Promise.resolve(undefined),
  update: () => Promise.resolve(),
  lockLive: () => Promise.resolve([]),
  announce: () => Promise.resolve(),
};

interface Tables {
  readonly credentials: ReadonlyMap<string, Credential>;
  readonly versions: ReadonlyMap<string, CredentialVersion>;
  readonly outbox: readonly Announcement[];
  readonly notices: ReadonlySet<string>;
}

/** Rows in memory with whole transactions: all or nothing, one at a time. */
export function makeFakeTables() {
  let tables: Tables = { credentials: new Map(), versions: new Map(), outbox: [], notices: new Set() };
  let revision = 0;
  /** `jobHeld`: another instance is at the job. */
  const control = { away: false, stale: false, jobHeld: false };
  const told: Changed[] = [];
  const replies = new Map<string, object>();
  let queue: Promise<unknown> = Promise.resolve();

  const live = (match: (credential: Credential) => boolean) =>
    [...tables.credentials.values()].find(
      (credential) => credential.deletedAtMs === null && match(credential),
    );
  const lookup = (credential: Credential | undefined): Promise<Lookup> =>
    control.away && !control.stale
      ? Promise.reject(failure('STORE_UNAVAILABLE'))
      : Promise.resolve({ credential, stale: control.stale });

  const index: MetadataIndex = {
    findByName: (name) => lookup(live((credential) => credential.name === name)),
    findById: (id) => lookup(live((credential) => credential.credentialId === id)),
    listByName: () =>
      Promise.resolve({
        credentials: [...tables.credentials.values()]
          .filter(({ deletedAtMs }) => deletedAtMs === null)
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
        stale: control.stale,
      }),
    stillHolds: ({ credential }) => tables.credentials.get(credential?.credentialId ?? '') === credential,
  };
  const versions: VersionReader = {
    readAgain: (lookup, version) => versions.read(lookup, version),
    read({ credential }, version) {
      if (credential === undefined || liveStageOf(credential, version) === undefined)
        return Promise.reject(failure('VERSION_NOT_FOUND'));
      return Promise.resolve(tables.versions.get(`${credential.credentialId}/${String(version)}`));
    },
  };
  const dead = () => [...tables.credentials.values()].filter(({ deletedAtMs }) => deletedAtMs !== null);
  const deleted: DeletedCredentials = {
    findById: (id) => Promise.resolve(dead().find(({ credentialId }) => credentialId === id)),
    findByName: (name) =>
      Promise.resolve(
        dead().findLast((credential) => credential.name === name && restorableUntilMs(credential) !== null),
      ),
    findDeletedSince: (name, sinceMs) =>
      Promise.resolve(
        dead().findLast(
          ({ name: given, deletedAtMs }) => given === name && (deletedAtMs ?? -Infinity) > sinceMs,
        ),
      ),
    listByName: () =>
      Promise.resolve(
        dead()
          .filter(({ purgedAtMs }) => purgedAtMs === null)
          .sort((a, b) => (`${a.name} ${a.credentialId}` < `${b.name} ${b.credentialId}` ? -1 : 1)),
      ),
    listOverdue: (nowMs, limit) =>
      Promise.resolve(
        dead()
          .filter((credential) => (restorableUntilMs(credential) ?? Infinity) <= nowMs)
          .slice(0, limit)
          .map(({ credentialId }) => credentialId),
      ),
  };
  const listVersions: ListVersions = (credentialId) =>
    Promise.resolve([...tables.versions.values()].filter((row) => row.credentialId === credentialId));

  const begin = () => {
    const draft = {
      credentials: new Map(tables.credentials),
      versions: new Map(tables.versions),
      outbox: [...tables.outbox],
      notices: new Set(tables.notices),
    };
    const liveDraft = (match: (credential: Credential) => boolean) =>
      Promise.resolve(
        [...draft.credentials.values()].find(
          (credential) => credential.deletedAtMs === null && match(credential),
        ),
      );
    const transaction: MutationTransaction = {
      lockByName: (name) => liveDraft((credential) => credential.name === name),
      lockById: (id) => liveDraft((credential) => credential.credentialId === id),
      lockDeleted(id) {
        const found = draft.credentials.get(id);
        return Promise.resolve(found?.deletedAtMs == null ? undefined : found);
      },
      nextRevision: () => Promise.resolve((revision += 1)),
      insertCredential: (row) => Promise.resolve(void draft.credentials.set(row.credentialId, row)),
      updateCredential: (row) => Promise.resolve(void draft.credentials.set(row.credentialId, row)),
      insertVersion: (row) =>
        Promise.resolve(void draft.versions.set(`${row.credentialId}/${String(row.version)}`, row)),
      setStages(credentialId, changes, at) {
        for (const { version, stage } of changes) {
          const key = `${credentialId}/${String(version)}`;
          const row = draft.versions.get(key);
          if (row === undefined) return Promise.reject(new Error('no such version'));
          draft.versions.set(key, { ...row, stage, revision: at });
        }
        return Promise.resolve();
      },
      listVersions: (id) =>
        Promise.resolve([...draft.versions.values()].filter(({ credentialId }) => credentialId === id)),
      updateVersion: (row) =>
        Promise.resolve(void draft.versions.set(`${row.credentialId}/${String(row.version)}`, row)),
      claimNotice({ credentialId, expiresAtMs, daysBefore }) {
        const key = `${credentialId} ${String(expiresAtMs)} ${String(daysBefore)}`;
        if (draft.notices.has(key)) return Promise.resolve(false);
        draft.notices.add(key);
        return Promise.resolve(true);
      },
      holdJob: () => Promise.resolve(!control.jobHeld),
      leases: NO_LEASES,
      findVersion: (credentialId, version) =>
        Promise.resolve(draft.versions.get(`${credentialId}/${String(version)}`)),
      findVersionOfRotation: (credentialId, rotationId) =>
        Promise.resolve(
          [...draft.versions.values()].find(
            (row) => row.credentialId === credentialId && row.rotationId === rotationId,
          ),
        ),
      fingerprintValue({ namespaceId, credentialId }, value) {
        // Keyed by a namespace, as the real one; not secret, as the real one is.
        const fingerprint = createHash('sha256').update(namespaceId).update(value.expose()).digest('hex');
        const same = [...draft.versions.values()].filter((row) => row.fingerprint === fingerprint);
        const isLive = (id: string) => draft.credentials.get(id)?.deletedAtMs === null;
        return Promise.resolve({
          fingerprint,
          reused: same.some(
            (row) => row.credentialId !== credentialId && row.stage !== 'revoked' && isLive(row.credentialId),
          ),
          repeated: same.some((row) => row.credentialId === credentialId),
        });
      },
      async part(work) {
        const before = {
          credentials: new Map(draft.credentials),
          versions: new Map(draft.versions),
          outbox: [...draft.outbox],
        };
        try {
          return await work();
        } catch (error) {
          Object.assign(draft, before);
          throw error;
        }
      },
      announce: (announcement) => Promise.resolve(void draft.outbox.push(announcement)),
    };
    return { transaction, commit: () => (tables = draft) };
  };

  const runOne = async <Reply extends object>(
    call: Call,
    work: (transaction: MutationTransaction) => Promise<Mutated<Reply>>,
  ): Promise<Reply> => {
    if (control.away) throw failure('STORE_UNAVAILABLE');
    const key = `${call.sessionId ?? `plain:${call.principal}`}/${call.requestId}`;
    const before = replies.get(key);
    if (before !== undefined) return before as Reply;
    const { transaction, commit } = begin();
    const { reply, changed } = await work(transaction);
    commit();
    replies.set(key, reply);
    if (changed !== undefined) told.push(...('credentialId' in changed ? [changed] : changed));
    return reply;
  };
  const mutations: Mutations = {
    run(call, work) {
      const result = queue.then(() => runOne(call, work));
      queue = result.catch(() => undefined);
      return result;
    },
    awaitEveryone: (changed) => Promise.resolve(void told.push({ ...changed, awaitEveryone: true })),
  };

  return {
    index,
    versions,
    listVersions,
    deleted,
    mutations,
    control,
    told,
    tables: () => tables,
    /** Writes past the vault, as a database owner could. */
    tamper: (change: (tables: Tables) => Tables) => void (tables = change(tables)),
  };
}

export interface Journaled {
  readonly record: AuditRecord;
  readonly beside: Beside | undefined;
}

/** Principals of the specs: each has one role; `nobody` has none. */
export const PRINCIPALS: Readonly<
  Record<string, { kind: 'service' | 'operator' | 'system'; roles: Role[] }>
> = {
  writer: { kind: 'service', roles: ['writer'] },
  reader: { kind: 'service', roles: ['reader'] },
  auditor: { kind: 'operator', roles: ['auditor'] },
  operator: { kind: 'operator', roles: ['operator'] },
  nobody: { kind: 'service', roles: ['siem'] },
  _rotation: { kind: 'system', roles: ['rotator'] },
  _audit: { kind: 'system', roles: [] },
};

/** Policy by role, as the built-in policies say; `forbid` adds rules. */
export function makeFakePolicy() {
  const control: {
    version: number;
    forbid: (request: Parameters<PolicyPort['decide']>[0]) => boolean;
    approvals: readonly GivenApproval[];
  } = { version: 1, forbid: () => false, approvals: [] };
  const policy: PolicyPort = {
    version: () => control.version,
    find: (name) => {
      const known = PRINCIPALS[name];
      return known === undefined ? undefined : { name, kind: known.kind, roles: [...known.roles] };
    },
    decide(request) {
      const { roles, kind } = request.principal;
      const byRole = roles.find((role) =>
        ((ROLE_ACTIONS as Partial<Record<Role, readonly string[]>>)[role] ?? []).includes(request.action),
      );
      const bySystem =
        kind === 'system' && request.action === 'channel-key.certify' ? 'system.channel-key' : undefined;
      const by = byRole === undefined ? bySystem : `role.${byRole}`;
      const permitted = by !== undefined && !control.forbid(request);
      return {
        effect: permitted ? 'permit' : 'forbid',
        bundleVersion: control.version,
        determiningPolicies: by === undefined ? [] : [by],
        errors: [],
      };
    },
    approvalsOf: () => control.approvals,
    approvalsToTurn(request) {
      const needed = approvalsNeeded(policy, request);
      const given = control.approvals.length;
      const asked = approvableOf(request);
      return needed === undefined || asked === undefined
        ? undefined
        : { needed, given, requestDigest: 'of the fake', request: asked };
    },
  };
  return { policy, control };
}

export interface TestVault {
  readonly operations: BatchOperations & CredentialOperations & TypeOperations & VersionOperations;
  readonly tables: ReturnType<typeof makeFakeTables>;
  readonly kms: ReturnType<typeof makeFakeKms>['control'];
  readonly policy: ReturnType<typeof makeFakePolicy>['control'];
  readonly clock: ReturnType<typeof makeTestClock>;
  readonly meshKey: SigningKey;
  /** What the journal took, in order. */
  readonly journaled: Journaled[];
  /** Runs before each record is taken; throw to refuse it. */
  onJournal: () => void | Promise<void>;
  /** Parts of every value that was opened, to see whether they were wiped. */
  readonly opened: Values[];
}

/** As a vault is configured by default. */
export const RECOVERY_DAYS = 30;

/** All operations over fakes of their ports; crypto and decisions about values are real. */
export function makeTestVault(): TestVault {
  const clock = makeTestClock();
  const { kms, control: kmsControl } = makeFakeKms();
  const { policy, control: policyControl } = makeFakePolicy();
  const tables = makeFakeTables();
  const { key: meshKey } = makeSigningKey();
  const sealed = makeValueVault(makeKeyring({ kms, store: makeFakeKekStore(), clock }));
  const vault: TestVault = {
    operations: undefined as never,
    tables,
    kms: kmsControl,
    policy: policyControl,
    clock,
    meshKey,
    journaled: [],
    onJournal: () => undefined,
    opened: [],
  };
  const auditTrail: AuditTrailOptions = {
    instance: 'test-1',
    clock,
    async recordDurably(record, beside) {
      await vault.onJournal();
      vault.journaled.push({ record, beside });
    },
  };
  const audited = makeAudited(auditTrail);
  const beginAttempt = makeBeginAttempt(auditTrail);
  const values = {
    ...sealed,
    async open(...open: Parameters<typeof sealed.open>) {
      const opened = await sealed.open(...open);
      vault.opened.push(opened);
      return opened;
    },
  };
  const { index, versions, listVersions, deleted, mutations } = tables;
  const credentialPolicyOf = makeCredentialPolicies();
  const judgeValue = makeJudgeValue({
    guessBits,
    isCommon: readCommonPasswords(),
    credentialPolicyOf,
    clock,
  });
  const ports = {
    credentialPolicyOf, judgeValue,
    audited, beginAttempt, askPolicy: makeAskPolicy(policy, { service: 'vault' }), policy, clock, meshKey, values, index, versions, listVersions, deleted, mutations,
  }; // prettier-ignore
  const operations: TestVault['operations'] = {
    listTypes: makeListTypes(),
    describeType: makeDescribeType(ports),
    checkQuality: makeCheckQuality(ports),
    storeCredential: makeStoreCredential(ports),
    retrieveCredential: makeRetrieveCredential(ports),
    listCredentials: makeListCredentials(ports),
    describeCredential: makeDescribeCredential(ports),
    credentialHistory: makeCredentialHistory(ports),
    updateCredential: makeUpdateCredential(ports),
    activateCredential: makeActivateCredential(ports),
    deactivateCredential: makeDeactivateCredential(ports),
    deleteCredential: makeDeleteCredential({ ...ports, recoveryDays: RECOVERY_DAYS }),
    restoreCredential: makeRestoreCredential(ports),
    destroyVersion: makeDestroyVersion(ports),
    prepareVersion: makePrepareVersion(ports),
    promoteVersion: makePromoteVersion(ports),
    discardVersion: makeDiscardVersion(ports),
    revealVersion: makeRevealVersion(ports),
    listRotatable: makeListRotatable(ports),
    certifyChannelKey: makeCertifyChannelKey(ports),
    batchStoreCredentials: makeBatchStoreCredentials(ports),
    batchRetrieveCredentials: makeBatchRetrieveCredentials(ports),
    exportCredentials: makeExportCredentials(ports),
    importCredentials: makeImportCredentials(ports),
    listTemplates: makeListTemplates({ ...ports, templates: makeTemplates() }),
    describeTemplate: makeDescribeTemplate({ ...ports, templates: makeTemplates() }),
  };
  return Object.assign(vault, { operations });
}

let requests = 0;
/** A request of a principal in its session; each has another request id. */
export const callBy = (principal: string, more: Partial<Call> = {}): Call => ({
  principal,
  sessionId: 'aa'.repeat(16),
  requestId: `request-${String((requests += 1))}`,
  deadlineAt: 30_000,
  traceparent: undefined,
  channel: 'encrypted',
  ...more,
});

export const text = (value: string): Secret => Secret.fromText(value, 'test');
export const textOf = (part: Secret | undefined): string =>
  Buffer.from(part?.expose() ?? []).toString('utf8');
export const API_KEY = 'xV7!kq-Lw2#tZp-93';
