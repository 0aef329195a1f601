import { CONSUMERS, type AuditRecord } from '@keymesh/contracts';
import { systemClock } from '@keymesh/kernel';
import {
  consume,
  decodePack,
  judgePack,
  makeJournal,
  verifyPack,
  type ChainLink,
  type Journal,
  type JournalOptions,
  type MeshConnection,
  type Pack,
} from '../src/index.js';
import type { TestMesh } from '@keymesh/testing';
import { v7 } from 'uuid';

export const makeRecord = (facts: AuditRecord['facts'] = {}): AuditRecord => ({
  v: 1,
  id: v7(),
  time: new Date().toISOString(),
  type: 'credential.retrieved',
  service: 'vault',
  instance: 'vault-1',
  outcome: 'success',
  facts,
});

let instances = 0;

export function startJournal(
  mesh: TestMesh,
  connection: MeshConnection,
  options: Partial<JournalOptions> = {},
): Journal {
  instances += 1;
  return makeJournal({
    connection,
    service: 'vault',
    instance: `vault-${instances}`,
    signingKey: mesh.identities.vault.signingKey,
    clock: systemClock,
    ...options,
  });
}

/** Reads the journal as the ledger would, and follows every instance's chain. */
export interface JournalReader {
  readonly packs: Pack[];
  /** Event ids in journal order, repeats included. */
  readonly ids: string[];
  /** Packs that do not continue their chain: `<instance>.<sequence> <verdict>`. */
  readonly problems: string[];
  stop(): Promise<void>;
}

export function readJournal(mesh: TestMesh, connection: MeshConnection): JournalReader {
  const packs: Pack[] = [];
  const ids: string[] = [];
  const problems: string[] = [];
  const chains = new Map<string, ChainLink>();
  const consumption = consume(
    connection,
    CONSUMERS.ledger,
    ({ data }) => {
      const pack = decodePack(data);
      const { instance, sequence } = pack.header;
      if (!verifyPack(data, mesh.identities.vault.signingKey.publicKeyText))
        problems.push(`${instance}.${sequence} forged`);
      const verdict = judgePack(chains.get(instance), pack);
      if (verdict === 'repeat') return Promise.resolve();
      if (verdict !== 'next') problems.push(`${instance}.${sequence} ${verdict}`);
      chains.set(instance, { sequence, hash: pack.hash });
      packs.push(pack);
      for (const { leaf } of pack.records) {
        ids.push((JSON.parse(Buffer.from(leaf).toString()) as AuditRecord).id);
      }
      return Promise.resolve();
    },
    { ordered: true },
  );
  return { packs, ids, problems, stop: () => consumption.stop() };
}
