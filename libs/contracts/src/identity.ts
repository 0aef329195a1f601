import { z } from 'zod';

/** The mesh's own services; each is also the principal `_<service>`. */
export const SERVICES = ['vault', 'policy', 'audit', 'rotation', 'anomaly-detector'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Principal name: one NATS token. The mesh's own services start with `_`. */
export const PRINCIPAL_NAME = /^_?[a-z0-9][a-z0-9-]{0,62}$/;
export const principalName = z.string().regex(PRINCIPAL_NAME, 'a principal name is [a-z0-9][a-z0-9-]{0,62}');
/** Names that people may give: no leading underscore. */
export const clientPrincipalName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a principal name is [a-z0-9][a-z0-9-]{0,62}');

/** `system` is only for the mesh's own services. */
export const PRINCIPAL_KINDS = ['service', 'operator', 'agent', 'system'] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

/**
 * Roles of this format. `plain-reply`: may ask without the channel (embedded mode, loopback only).
 * `siem`: lives in the NATS account SIEM and reads the audit feed. `locker` is for the mesh's own services. `security-admin` writes
 * policies and sees no value; `break-glass` may nothing until its holder opens it, with a reason and for a while.
 */
export const ROLES = [
  'reader',
  'writer',
  'auditor',
  'operator',
  'plain-reply',
  'siem',
  'rotator',
  'locker',
  'security-admin',
  'break-glass',
] as const;
export type Role = (typeof ROLES)[number];

/** What can be asked of the policy. The Cedar schema has the same actions. */
export const ACTIONS = [
  'list',
  'describe',
  'retrieve',
  'store',
  'rotate',
  'delete',
  'update',
  'restore',
  'destroy',
  'export',
  'import',
  'lease.issue',
  'lease.read',
  'lease.revoke',
  'key.read',
  'key.rotate',
  'vault.lock',
  'backup.read',
  'backup.create',
  'version.prepare',
  'version.promote',
  'version.reveal',
  'audit.read',
  'finding.read',
  'principal.read',
  'principal.write',
  'principal.lock',
  'channel-key.certify',
  'rotation.read',
  'use',
  'approve',
  'policy.read',
  'policy.write',
  'kill-switch.set',
  'break-glass.review',
] as const;
export type Action = (typeof ACTIONS)[number];

/** The principal name of a service. */
export const servicePrincipal = (service: ServiceName): string => `_${service}`;
