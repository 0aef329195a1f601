import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { principalName } from '../identity.js';
import { KILL_SCOPES, killSwitch } from '../kill-switch-statements.js';
import { defineRpc } from '../rpc.js';
import { statementText } from './policy.js';

const SERVICE_NOUN = { service: 'policy', noun: 'kill-switch' } as const;

/**
 * Stops one principal, the holders of a role, what is in a namespace, or everyone but operators, at once and until an operator lifts it.
 * Never the last operator, never the mesh's own services. The same again is the kill switch that is set already.
 */
export const setKillSwitch = defineRpc({
  ...SERVICE_NOUN,
  name: 'setKillSwitch',
  verb: 'set',
  mutation: true,
  request: z
    .strictObject({
      scope: z.enum(KILL_SCOPES),
      /** Of the principal, role or namespace; none for everyone. */
      name: z.string().min(1).max(512).optional(),
      reason: z.string().min(1).max(256),
    })
    .refine(
      ({ scope, name }) => (scope === 'everyone') === (name === undefined),
      'give the name of the principal, role or namespace, and none for everyone',
    ),
  reply: z.strictObject({
    killId: z.uuid(),
    bundleVersion: z.int(),
    /** Principals that were active before and are stopped by it; for a namespace none. */
    stopped: z.int(),
    /** Which instances decide by it, and which have not said so. */ inForce: inForce.optional(),
  }),
});

/** Gives back, by an operator's signed `kill-switch.lifted`. */
export const liftKillSwitch = defineRpc({
  ...SERVICE_NOUN,
  name: 'liftKillSwitch',
  verb: 'lift',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: z.strictObject({ killId: z.uuid(), bundleVersion: z.int(), inForce: inForce.optional() }),
});

/** Every kill switch: those in force, and those that were lifted, by whom and when. */
export const listKillSwitches = defineRpc({
  ...SERVICE_NOUN,
  name: 'listKillSwitches',
  verb: 'list',
  request: z.strictObject({}),
  reply: z.strictObject({
    killSwitches: z.array(
      killSwitch.extend({
        /** Null: in force. */
        lifted: z.strictObject({ by: principalName, at: z.iso.datetime() }).nullable(),
      }),
    ),
  }),
});
