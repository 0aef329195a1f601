import { systemClock } from '@keymesh/kernel';
import { makeRowSeal } from '../../src/domain/row-mac.js';
import { openKms } from '../../src/kms/index.js';
import { makeKeyring } from '../../src/kms/keyring.js';
import { makeDiagnose } from '../../src/kms/rekey.js';
import { makeValueVault } from '../../src/kms/value-vault.js';
import { makeKekStore } from '../../src/store/kek-store.js';
import type { RowProblem } from '../../src/store/row-problem.js';
import { openSystemKey } from '../../src/store/system-keys.js';
import { scanKeys } from '../../src/store/verify-keys.js';
import { scanRows } from '../../src/store/verify-rows.js';
import type { VaultWorld } from './vault-world.js';

/** All that `fsck.js` looks at, in this process: keys, rows, values and what they say of each other. */
export async function fsckWorld(world: VaultWorld): Promise<RowProblem[]> {
  const { rows: dataSource } = world;
  const masterKeyFile = world.environment().KEYMESH_KMS_MASTER_KEY_FILE ?? '';
  const kms = await openKms({ kind: 'local', masterKeyFile, passphrase: undefined });
  const keyring = makeKeyring({ kms, store: makeKekStore(dataSource), clock: systemClock });
  const seal = makeRowSeal(await openSystemKey(dataSource, kms, 'integrity'));
  const problems: RowProblem[] = [];
  for await (const problem of scanKeys({ dataSource, kms, keyring })) problems.push(problem);
  const values = makeValueVault(keyring);
  for await (const problem of scanRows({ dataSource, seal, values, diagnose: makeDiagnose(keyring) }))
    problems.push(problem);
  return problems;
}
