import type { TableShape } from '@keymesh/postgres';

/** Every schema of the mesh. */
export const BACKUP_SCHEMAS = ['vault', 'policy', 'audit', 'rotation', 'anomaly_detector'] as const;

/**
 * Tables that no backup holds, with the reason. Everything else goes in, also what later releases add.
 * `channel_key`: destroyed after a day, so that nobody opens old traffic; a copy would undo that.
 * `channel_key_handover`: the same keys on their way from one instance to another.
 * `migration`: the levels stand in the backup's beginning, and a restore makes the tables by them.
 * `policy.approval_request`: approvals end with a restore, because one that was rejected later would live again.
 * `policy.connection`: who is connected to the bus now; nobody is after a restore.
 * `policy.session`: keys for a while; one that was closed later would live again, and whoever needs one opens another.
 * `vault.lease`: leases end with a restore, because one that was revoked later would live again.
 */
const LEFT_OUT = new Set([
  '*.channel_key',
  '*.channel_key_handover',
  '*.migration',
  'policy.approval_request',
  'policy.connection',
  'policy.session',
  'vault.lease',
]);

export const isBackedUp = ({ schema, table }: Pick<TableShape, 'schema' | 'table'>): boolean =>
  !LEFT_OUT.has(`*.${table}`) && !LEFT_OUT.has(`${schema}.${table}`);
