import type { Migration } from '@keymesh/postgres';
import { ApprovalContent1795651220008 } from './approval-content.js';
import { Approvals1795651220001 } from './approvals.js';
import { ChannelKeyHandover1795651220007 } from './channel-key-handover.js';
import { ConnectionNkey1795651210000 } from './connection-nkey.js';
import { CreatePolicy1795305600000 } from './create-policy.js';
import { FailedAttempts1795651220003 } from './failed-attempts.js';
import { KillSwitches1795651220002 } from './kill-switches.js';
import { PolicyHistory1795651220000 } from './policy-history.js';
import { Sessions1795651220004 } from './sessions.js';

/** Tables of which the service may neither change nor remove rows. */
export const APPEND_ONLY_TABLES = ['statement', 'policy_set', 'effective_policy', 'kill_switch'] as const;

/** In order; an applied one is never changed. */
export const MIGRATIONS: readonly Migration[] = [
  CreatePolicy1795305600000,
  ConnectionNkey1795651210000,
  PolicyHistory1795651220000,
  Approvals1795651220001,
  KillSwitches1795651220002,
  FailedAttempts1795651220003,
  Sessions1795651220004,
  ChannelKeyHandover1795651220007,
  ApprovalContent1795651220008,
];
