import { inStore } from '@keymesh/postgres';
import { tellingInForce } from '../domain/in-force.js';
import { makeLiftKillSwitch } from '../operations/lift-kill-switch.js';
import { makeListKillSwitches } from '../operations/list-kill-switches.js';
import { makeSetKillSwitch } from '../operations/set-kill-switch.js';
import { listKills } from '../store/kill-rows.js';
import type { KillSwitchOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** What is stopped at once. */
export const killSwitchOperations = (ports: PolicyPorts): KillSwitchOperations => ({
  setKillSwitch: tellingInForce(ports)(makeSetKillSwitch(ports)),
  liftKillSwitch: tellingInForce(ports)(makeLiftKillSwitch(ports)),
  listKillSwitches: makeListKillSwitches({
    ...ports,
    listKills: () => inStore(() => listKills(ports.kit.dataSource.manager)),
  }),
});
