import { KeymeshError, signingKeyOf } from '@keymesh/kernel';
import { inStore } from '@keymesh/postgres';
import type { DataSource } from 'typeorm';
import type { Keyring } from '../kms/keyring.js';
import type { Kms } from '../kms/kms.js';
import { ROW_RULES, type RowProblem } from './row-problem.js';
import { nextKeks } from './root-keys.js';
import { findSystemKey, type SystemKeyPurpose } from './system-keys.js';

export interface VerifyKeysPorts {
  readonly dataSource: DataSource;
  readonly kms: Kms;
  readonly keyring: Pick<Keyring, 'kek'>;
  /** Told of each KEK that was unwrapped. */
  readonly onKek?: () => void;
}

const PAGE_KEKS = 100;
const SYSTEM_KEYS: readonly SystemKeyPurpose[] = ['mesh', 'integrity'];

/** Unwraps every KEK, also those that wrap nothing now, and the system keys. @throws KMS_UNAVAILABLE, STORE_UNAVAILABLE */
export async function* scanKeys(ports: VerifyKeysPorts): AsyncGenerator<RowProblem> {
  const { dataSource, kms, keyring, onKek } = ports;
  let after: string | null = null;
  for (;;) {
    const page = await inStore(() => nextKeks(dataSource.manager, after, PAGE_KEKS));
    for (const { id } of page) {
      onKek?.();
      if (!(await opens(() => keyring.kek(id), 'CREDENTIAL_DAMAGED')))
        yield { rule: 'kek', problem: ROW_RULES.kek, kekId: id };
    }
    after = page.at(-1)?.id ?? null;
    if (page.length < PAGE_KEKS) break;
  }
  for (const purpose of SYSTEM_KEYS) {
    if (!(await opens(() => openWhole(dataSource, kms, purpose), 'DECRYPTION_FAILED')))
      yield { rule: 'system-key', problem: ROW_RULES['system-key'], systemKey: purpose };
  }
}

/** @throws DECRYPTION_FAILED when the key is not there, does not unwrap or is not the one whose public half stands beside it. */
async function openWhole(dataSource: DataSource, kms: Kms, purpose: SystemKeyPurpose): Promise<void> {
  const found = await findSystemKey(dataSource, kms, purpose);
  if (found === undefined) throw new KeymeshError('DECRYPTION_FAILED');
  using key = found.key;
  if (found.publicKey !== null && signingKeyOf(key).publicKeyText !== found.publicKey)
    throw new KeymeshError('DECRYPTION_FAILED');
}

async function opens(open: () => Promise<unknown>, damage: string): Promise<boolean> {
  try {
    await open();
    return true;
  } catch (error) {
    if (KeymeshError.is(error) && error.code === damage) return false;
    throw error;
  }
}
