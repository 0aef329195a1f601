import { KeymeshError } from '@keymesh/kernel';
import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import { liveStageOf, type Credential, type CredentialVersion } from '../domain/credential.js';
import { disposeValues } from '../domain/parts.js';
import type { ValueVault } from '../domain/ports.js';
import type { RowSeal } from '../domain/row-mac.js';
import { CredentialEntity } from './entities/credential.entity.js';
import { CredentialVersionEntity } from './entities/credential-version.entity.js';
import { openCredentialRow, openVersionRow } from './sealed-rows.js';

/** Something that does not hold. Ids and rules, never a name or value. */
export interface RowProblem {
  readonly credentialId: string;
  readonly version?: number;
  readonly problem: string;
}

export interface VerifyRowsPorts {
  readonly dataSource: DataSource;
  readonly seal: RowSeal;
  readonly values: Pick<ValueVault, 'open'>;
}

/**
 * Reads every row and checks what must always hold: HMACs, every value opens, exactly one current version of each live credential, the
 * stages that the credential names are those of its versions, and no number above the last one given.
 * @returns what does not hold; empty when all does. @throws STORE_UNAVAILABLE, KMS_UNAVAILABLE
 */
export async function verifyRows({ dataSource, seal, values }: VerifyRowsPorts): Promise<RowProblem[]> {
  const problems: RowProblem[] = [];
  const [credentialRows, versionRows] = await inStore(() =>
    // One snapshot: a store between the two reads would look like damage.
    dataSource.transaction('REPEATABLE READ', (manager) =>
      Promise.all([manager.find(CredentialEntity), manager.find(CredentialVersionEntity)]),
    ),
  );
  const opened = <Row, Opened>(
    row: Row & { credentialId: string },
    open: (seal: RowSeal, row: Row) => Opened,
  ): Opened[] => {
    try {
      return [open(seal, row)];
    } catch {
      problems.push({ credentialId: row.credentialId, problem: 'the HMAC of a row does not hold' });
      return [];
    }
  };
  const versions = versionRows.flatMap((row) => opened(row, openVersionRow));
  for (const credential of credentialRows.flatMap((row) => opened(row, openCredentialRow))) {
    const own = versions.filter(({ credentialId }) => credentialId === credential.credentialId);
    problems.push(...stageProblems(credential, own));
    for (const version of own) problems.push(...(await openProblems(values, credential, version)));
  }
  return problems;
}

function stageProblems(credential: Credential, versions: readonly CredentialVersion[]): RowProblem[] {
  const { credentialId, lastVersion } = credential;
  const wrong = versions
    .filter(
      ({ version, stage }) =>
        stage !== (liveStageOf(credential, version) ?? 'revoked') || version > lastVersion,
    )
    .map(({ version, stage }) => ({
      credentialId,
      version,
      problem: `it is ${stage}, which the credential does not say`,
    }));
  const currents = versions.filter(({ stage }) => stage === 'current').length;
  return currents === 1
    ? wrong
    : [...wrong, { credentialId, problem: `it has ${currents} current versions` }];
}

async function openProblems(
  values: Pick<ValueVault, 'open'>,
  { namespaceId, credentialId }: Credential,
  version: CredentialVersion,
): Promise<RowProblem[]> {
  try {
    disposeValues(await values.open({ namespaceId, credentialId, version: version.version }, version));
    return [];
  } catch (error) {
    if (!KeymeshError.is(error) || error.code !== 'CREDENTIAL_DAMAGED') throw error;
    return [{ credentialId, version: version.version, problem: 'its value does not open' }];
  }
}
