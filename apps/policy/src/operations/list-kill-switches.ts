import type { KillSwitch, listKillSwitches } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorize, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Every kill switch that was ever set, and who lifted it. Recorded before it is told. */
export const makeListKillSwitches =
  (
    ports: OperationPorts & {
      readonly record: Record;
      readonly listKills: () => Promise<readonly KillSwitch[]>;
    },
  ): Handler<typeof listKillSwitches> =>
  async (_request, call) => {
    const { book, makeRecord, record, listKills } = ports;
    const decision = await authorize(ports, call, { action: 'policy.read', type: 'kill-switch.listed' });
    const kills = await listKills();
    const facts = { killSwitches: kills.length };
    await record({ record: makeRecord('kill-switch.listed', 'success', { call, decision, facts }) });
    const { directory } = book.current();
    return {
      killSwitches: kills.map((kill) => {
        const lifting = directory.liftingOf(kill.killId);
        return { ...kill, lifted: lifting === undefined ? null : { by: lifting.by, at: lifting.at } };
      }),
    };
  };
