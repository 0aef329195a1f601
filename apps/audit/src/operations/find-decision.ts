import { auditRecord, failure, type findDecision } from '@keymesh/contracts';
import { fromUtf8 } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { inStore } from '@keymesh/postgres';
import { findEntry, namesBeside } from '../store/decisions.js';
import type { DecisionPorts } from './list-decisions.js';

/** One recorded decision, with the whole request that it answered. @throws DECISION_NOT_FOUND */
export const makeFindDecision =
  ({ dataSource, authorise }: DecisionPorts): Handler<typeof findDecision> =>
  async (by, call) => {
    await authorise('findDecision', call);
    const { manager } = dataSource;
    const entry = await inStore(() => findEntry(manager, by));
    const record = entry === undefined ? undefined : readRecord(entry.leaf);
    if (entry === undefined || record?.decision === undefined) throw failure('DECISION_NOT_FOUND');
    const { id: recordId, time, type, outcome, decision } = record;
    const isNamed = decision.request.resource.kind === 'credential';
    const { index } = entry;
    const names = isNamed ? await inStore(() => namesBeside(manager, index, index + 1)) : undefined;
    return { index, recordId, time, type, outcome, decision, name: names?.get(index) ?? null };
  };

const readRecord = (leaf: Uint8Array) => auditRecord.safeParse(JSON.parse(fromUtf8(leaf))).data;
