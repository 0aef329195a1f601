import { z } from 'zod';
import { principalName, ROLES } from './identity.js';
import { base } from './statement-base.js';

/** What a kill switch stops: one principal, the holders of a role, what is in a namespace, or everyone but operators. */
export const KILL_SCOPES = ['principal', 'role', 'namespace', 'everyone'] as const;
export type KillScope = (typeof KILL_SCOPES)[number];

/** Roles whose holders can be stopped together. Operators are stopped one by one, the mesh's own services not at all. */
export const KILLABLE_ROLES = ROLES.filter((role) => role !== 'operator' && role !== 'locker');

/** A kill switch that was set, as the bundle carries it. Taking away needs no operator's signature. */
export const killSwitch = z.strictObject({
  killId: z.uuid(),
  scope: z.enum(KILL_SCOPES),
  /** Of the principal, role or namespace (with all below it); absent for everyone. */
  name: z.string().min(1).max(512).optional(),
  reason: z.string().max(256),
  since: z.iso.datetime(),
  /** Who set it. */ by: principalName,
});
export type KillSwitch = z.output<typeof killSwitch>;

/** An operator gives back what a kill switch took. */
export const killSwitchLifted = z.strictObject({
  ...base,
  type: z.literal('kill-switch.lifted'),
  killId: z.uuid(),
});
