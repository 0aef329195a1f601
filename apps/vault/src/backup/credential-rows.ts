import type { DataSource, EntityManager } from 'typeorm';
import { CredentialEntity } from '../store/entities/credential.entity.js';

const PAGE = 500;

/** Every credential row in the order of its id, a page in memory at a time. Rows may be changed on the way: ids stay. */
export async function* credentialRows(
  database: Pick<DataSource | EntityManager, 'getRepository'>,
): AsyncGenerator<CredentialEntity> {
  for (let after: string | undefined; ;) {
    const rows = await database
      .getRepository(CredentialEntity)
      .createQueryBuilder('c')
      .where(after === undefined ? 'true' : 'c.credentialId > :after', { after })
      .orderBy('c.credentialId')
      .limit(PAGE)
      .getMany();
    yield* rows;
    after = rows.at(-1)?.credentialId;
    if (rows.length < PAGE) return;
  }
}
