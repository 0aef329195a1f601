import { KeymeshError } from '@keymesh/kernel';
import { inStore } from '@keymesh/postgres';
import { In, MoreThan, type DataSource, type EntityManager } from 'typeorm';
import { liveStageOf, type Credential, type CredentialVersion } from '../domain/credential.js';
import { disposeValues } from '../domain/parts.js';
import type { ValueVault } from '../domain/ports.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity } from './entities/credential.entity.js';
import { CredentialVersionEntity } from './entities/credential-version.entity.js';
import { ROW_RULES, type RowProblem, type RowRule } from './row-problem.js';
import { openCredentialRow, openVersionRow } from './sealed-rows.js';
import { relationProblems } from './verify-relations.js';

export interface VerifyRowsPorts {
  readonly dataSource: DataSource;
  readonly seal: RowSeal;
  readonly values: Pick<ValueVault, 'open'>;
  /** Which layer of a value that does not open is damaged; absent: not told apart. */
  readonly diagnose?: (
    credential: Credential,
    version: CredentialVersion,
  ) => Promise<'kek-damaged' | 'data-key-damaged' | 'value-damaged'>;
  /** Told of each page: how much has been read. */
  readonly onPage?: (credentials: number, versions: number) => void;
}

const PAGE_CREDENTIALS = 100;

/**
 * Reads every row, as of one moment and a page at a time, and checks what must always hold: HMACs, every value opens, exactly one current
 * version of each live credential, the stages that the credential names are those of its versions, no number above the last one given,
 * nothing left of what was destroyed, and what rows say of each other ({@link relationProblems}).
 * @returns what does not hold, as it is found. @throws STORE_UNAVAILABLE, KMS_UNAVAILABLE
 */
export async function* scanRows(ports: VerifyRowsPorts): AsyncGenerator<RowProblem> {
  const runner = ports.dataSource.createQueryRunner();
  // One snapshot: a store between two reads would look like damage.
  await inStore(() => runner.startTransaction('REPEATABLE READ'));
  try {
    for await (const page of pages(runner.manager)) {
      const versions = await inStore(() =>
        runner.manager.findBy(CredentialVersionEntity, {
          credentialId: In(page.map(({ credentialId }) => credentialId)),
        }),
      );
      ports.onPage?.(page.length, versions.length);
      const own = Map.groupBy(versions, ({ credentialId }) => credentialId);
      for (const row of page) yield* credentialProblems(ports, row, own.get(row.credentialId) ?? []);
    }
    yield* await inStore(() => relationProblems(runner.manager, ports.seal));
  } finally {
    await runner.rollbackTransaction().catch(() => undefined);
    await runner.release();
  }
}

/** {@link scanRows} to its end. */
export async function verifyRows(ports: VerifyRowsPorts): Promise<RowProblem[]> {
  const problems: RowProblem[] = [];
  for await (const found of scanRows(ports)) problems.push(found);
  return problems;
}

async function* pages(manager: EntityManager): AsyncGenerator<CredentialEntity[]> {
  let after: string | undefined;
  for (;;) {
    const page = await inStore(() =>
      manager.find(CredentialEntity, {
        ...(after === undefined ? {} : { where: { credentialId: MoreThan(after) } }),
        order: { credentialId: 'ASC' },
        take: PAGE_CREDENTIALS,
      }),
    );
    if (page.length > 0) yield page;
    after = page.at(-1)?.credentialId;
    if (after === undefined || page.length < PAGE_CREDENTIALS) return;
  }
}

const problem = (rule: RowRule, credentialId: string, version?: number): RowProblem => ({
  rule,
  problem: ROW_RULES[rule],
  credentialId,
  ...(version === undefined ? {} : { version }),
});

async function* credentialProblems(
  ports: VerifyRowsPorts,
  row: CredentialEntity,
  rows: readonly CredentialVersionEntity[],
): AsyncGenerator<RowProblem> {
  const versions: CredentialVersion[] = [];
  for (const versionRow of rows) {
    const version = openOrNothing(() => openVersionRow(ports.seal, versionRow));
    if (version === undefined) yield problem('version-hmac', row.credentialId, versionRow.version);
    else versions.push(version);
  }
  const credential = openOrNothing(() => openCredentialRow(ports.seal, row));
  if (credential === undefined) {
    yield problem('credential-hmac', row.credentialId);
    return;
  }
  yield* stageProblems(credential, versions, rows.length);
  for (const version of versions) yield* versionProblems(ports, credential, version);
}

function openOrNothing<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch {
    return undefined; // reported by id; why is the same for all: it is not as the vault wrote it
  }
}

function* stageProblems(
  credential: Credential,
  versions: readonly CredentialVersion[],
  rows: number,
): Generator<RowProblem> {
  const { credentialId, lastVersion } = credential;
  for (const { version, stage } of versions) {
    if (stage !== (liveStageOf(credential, version) ?? 'revoked'))
      yield problem('stage', credentialId, version);
    if (version > lastVersion) yield problem('version-number', credentialId, version);
  }
  if (rows === 0) yield problem('no-version', credentialId);
  // Of a version whose row is damaged it was said already.
  else if (rows === versions.length && versions.filter(({ stage }) => stage === 'current').length !== 1)
    yield problem('current', credentialId);
}

async function* versionProblems(
  { values, diagnose }: VerifyRowsPorts,
  credential: Credential,
  version: CredentialVersion,
): AsyncGenerator<RowProblem> {
  const { namespaceId, credentialId, purgedAtMs } = credential;
  if (version.destroyedAtMs !== null) {
    const holds = version.ciphertext.length + version.wrappedDek.length > 0 || version.fingerprint !== null;
    if (holds) yield problem('destroyed-holds-bytes', credentialId, version.version);
    if (version.stage === 'current' && purgedAtMs === null)
      yield problem('current-destroyed', credentialId, version.version);
    return;
  }
  try {
    disposeValues(await values.open({ namespaceId, credentialId, version: version.version }, version));
  } catch (error) {
    if (!KeymeshError.is(error) || error.code !== 'CREDENTIAL_DAMAGED') throw error;
    const rule = (await diagnose?.(credential, version)) ?? 'value-damaged';
    yield problem(rule, credentialId, version.version);
  }
}
