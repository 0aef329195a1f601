import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { principalName } from '../identity.js';
import { MAX_POLICY_CHARS, policyId } from '../policy-statements.js';
import { defineRpc } from '../rpc.js';
import { policyStatementText } from './policy.js';

const changed = z.strictObject({
  policyId,
  /** `waiting`: nothing has changed yet, because it takes a second person's confirmPolicy. */
  state: z.enum(['in-force', 'removed', 'waiting']),
  bundleVersion: z.int(),
  inForce: inForce.optional(),
});

/** A policy in force. Decisions name it `policy.<policyId>`. */
const writtenPolicy = z.strictObject({
  policyId,
  cedar: z.string(),
  twoPerson: z.boolean(),
  /** The `policy.set` that it is from. */ statementId: z.uuid(),
  setBy: principalName,
  setAt: z.iso.datetime(),
  confirmedBy: principalName.nullable(),
});
export type PolicyInForce = z.output<typeof writtenPolicy>;

/** A change of a policy. `cedar` null: its removal. */
const policyVersion = z.strictObject({
  statementId: z.uuid(),
  cedar: z.string().nullable(),
  twoPerson: z.boolean(),
  setBy: principalName,
  setAt: z.iso.datetime(),
  confirmedBy: principalName.nullable(),
  /** `waiting`: for a second person. `waited`: nobody agreed before another change came. */
  state: z.enum(['in-force', 'replaced', 'waiting', 'waited']),
});

/** Publishes a signed `policy.set`: writes, changes or removes a policy. Checked against the schema before it is taken. */
export const setPolicy = defineRpc({
  name: 'setPolicy',
  service: 'policy',
  noun: 'policy',
  verb: 'set',
  mutation: true,
  request: z.strictObject({ statement: policyStatementText }),
  reply: changed,
});

/** Publishes a signed `policy.confirmed`: a second person agrees to a change that waits. */
export const confirmPolicy = defineRpc({
  name: 'confirmPolicy',
  service: 'policy',
  noun: 'policy',
  verb: 'confirm',
  mutation: true,
  request: z.strictObject({ statement: policyStatementText }),
  reply: changed,
});

/** The policies in force, by id, a page at a time; with `builtIn` also those that are part of the release (on the first page). */
export const listPolicies = defineRpc({
  name: 'listPolicies',
  service: 'policy',
  noun: 'policy',
  verb: 'list',
  request: z.strictObject({
    /** The id that the page before ended with. */ after: policyId.optional(),
    builtIn: z.boolean().optional(),
  }),
  reply: z.strictObject({
    bundleVersion: z.int(),
    policies: z.array(writtenPolicy),
    /** Changes that wait for a second person, without their texts. */
    waiting: z.array(
      z.strictObject({
        policyId,
        removes: z.boolean(),
        twoPerson: z.boolean(),
        statementId: z.uuid(),
        setBy: principalName,
        setAt: z.iso.datetime(),
      }),
    ),
    builtIn: z.array(z.strictObject({ id: z.string(), cedar: z.string() })),
    /** Ask again with this as `after`; null: that was all. */ next: policyId.nullable(),
  }),
});

/** One policy: its text, what waits, and who wrote and confirmed what and when. */
export const describePolicy = defineRpc({
  name: 'describePolicy',
  service: 'policy',
  noun: 'policy',
  verb: 'describe',
  request: z.strictObject({ policyId }),
  reply: z.strictObject({
    policyId,
    /** Null: there is none in force. */ inForce: writtenPolicy.nullable(),
    waiting: policyVersion.nullable(),
    /** Newest first. */ history: z.array(policyVersion),
    /** Older ones that did not fit into the reply. */ earlier: z.int(),
  }),
});

/** Checks a text as setPolicy would, and changes nothing. */
export const validatePolicy = defineRpc({
  name: 'validatePolicy',
  service: 'policy',
  noun: 'policy',
  verb: 'validate',
  request: z.strictObject({ policyId, cedar: z.string().min(1).max(MAX_POLICY_CHARS) }),
  reply: z.strictObject({
    /** In the order of the text; empty: it would be taken. */
    problems: z.array(
      z.strictObject({
        line: z.int().nullable(),
        column: z.int().nullable(),
        rule: z.string(),
      }),
    ),
  }),
});
