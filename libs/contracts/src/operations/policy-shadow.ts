import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { ACTIONS, principalName } from '../identity.js';
import { defineRpc } from '../rpc.js';
import { shadowPolicies } from '../shadow-statements.js';
import { statementText } from './policy.js';

const timestamp = z.iso.datetime();
const effect = z.enum(['permit', 'forbid']);

/** Publishes a signed `policy.shadow-set` with the texts that it is about: they are evaluated in the vault and decide nothing. */
export const setShadow = defineRpc({
  name: 'setShadow',
  service: 'policy',
  noun: 'policy-shadow',
  verb: 'set',
  mutation: true,
  request: z.strictObject({
    statement: statementText,
    /** Empty for a statement that ends the shadow. */
    policies: shadowPolicies,
  }),
  reply: z.strictObject({
    /** The statement's id; null: there is no shadow any more. */
    shadowId: z.uuid().nullable(),
    bundleVersion: z.int(),
    inForce: inForce.optional(),
  }),
});

/** What is in the shadow, and who put it there. */
export const describeShadow = defineRpc({
  name: 'describeShadow',
  service: 'policy',
  noun: 'policy-shadow',
  verb: 'describe',
  request: z.strictObject({}),
  reply: z.strictObject({
    shadow: z
      .strictObject({
        shadowId: z.uuid(),
        digest: z.string(),
        setBy: principalName,
        setAt: timestamp,
        /** Null: the texts were lost with a database; nothing is evaluated until they are put again. */
        policies: shadowPolicies.nullable(),
      })
      .nullable(),
  }),
});

/** What the vault saw of a shadow: sums over all its instances, some seconds old. */
export const reportShadow = defineRpc({
  name: 'reportShadow',
  service: 'vault',
  noun: 'policy-shadow',
  verb: 'report',
  request: z.strictObject({ shadowId: z.uuid() }),
  reply: z.strictObject({
    /** Decisions that were made again with the shadow. */ evaluated: z.int(),
    /** Of these, with another effect. */ different: z.int(),
    /** Not made again, because there was too much to do. */ skipped: z.int(),
    since: timestamp.nullable(),
    /** Most first. */
    differences: z.array(
      z.strictObject({
        principal: z.string(),
        action: z.enum(ACTIONS),
        resourceKind: z.string(),
        from: effect,
        to: effect,
        /** Ids of the policies that make the difference. */ because: z.array(z.string()),
        count: z.int(),
        firstAt: timestamp,
        lastAt: timestamp,
      }),
    ),
    /** Differences that are not in the list, because it would be too long. */
    more: z.int(),
  }),
});
