import { z } from 'zod';
import { policyDecision, policyRequest } from '../audit-record.js';
import { ROLES, principalName } from '../identity.js';
import { defineRpc } from '../rpc.js';

const timestamp = z.iso.datetime();
const resourceName = z.string().nullable();

/** Decisions of a part of the log that were recorded alike. */
export const decisionGroup = z.strictObject({
  decision: policyDecision,
  /** Name of the credential, where the asker may read the log and it was not erased. */
  name: resourceName,
  count: z.int().min(1),
  firstAt: timestamp,
  lastAt: timestamp,
});

/**
 * Recorded decisions since a time, a part of the log at a time: decisions of one part that were recorded alike come once, with a count.
 * Ask with `nextIndex` and `untilIndex` of the last reply until `nextIndex` is null.
 */
export const listDecisions = defineRpc({
  name: 'listDecisions',
  service: 'audit',
  noun: 'decision',
  verb: 'list',
  request: z.strictObject({
    since: timestamp,
    /** Absent: from the first entry since then. */
    fromIndex: z.int().min(0).optional(),
    /** Absent: what is in the log now, so that a busy mesh comes to an end. */
    untilIndex: z.int().min(0).optional(),
  }),
  reply: z.strictObject({
    groups: z.array(decisionGroup),
    /** Records in this part whose decision this release cannot read. */
    unreadable: z.int().min(0),
    nextIndex: z.int().nullable(),
    untilIndex: z.int(),
  }),
});

/** One recorded decision, by its index in the log or its record's id, to who may read the log. */
export const findDecision = defineRpc({
  name: 'findDecision',
  service: 'audit',
  noun: 'decision',
  verb: 'find',
  request: z
    .strictObject({ index: z.int().min(0).optional(), recordId: z.uuid().optional() })
    .refine(({ index, recordId }) => (index === undefined) !== (recordId === undefined), {
      error: 'give either index or recordId',
    }),
  reply: z.strictObject({
    index: z.int(),
    recordId: z.uuid(),
    time: timestamp,
    type: z.string(),
    outcome: z.string(),
    decision: policyDecision,
    name: resourceName,
  }),
});

/** Which bundle versions decided by the same policies. Versions in no range are not known: they are from before this was kept. */
export const listPolicySets = defineRpc({
  name: 'listPolicySets',
  service: 'policy',
  noun: 'policy-set',
  verb: 'list',
  request: z.strictObject({ fromVersion: z.int().min(1).default(1) }),
  reply: z.strictObject({
    sets: z.array(
      z.strictObject({
        firstVersion: z.int(),
        lastVersion: z.int(),
        /** SHA-256 (hex) of RFC 8785 JSON of the policies, by id. */
        digest: z.string(),
      }),
    ),
    /** Where to go on; null: that is all. */
    nextVersion: z.int().nullable(),
  }),
});

/** A policy as it decided, and who wrote it; built-in ones nobody did. */
export const effectivePolicy = z.strictObject({
  id: z.string(),
  cedar: z.string(),
  setBy: principalName.nullable(),
  setAt: timestamp.nullable(),
  confirmedBy: principalName.nullable(),
});
export type EffectivePolicy = z.output<typeof effectivePolicy>;

/** The policies by which a bundle version decided, a page at a time. */
export const describePolicySet = defineRpc({
  name: 'describePolicySet',
  service: 'policy',
  noun: 'policy-set',
  verb: 'describe',
  request: z.strictObject({
    /** Absent: the version in force. */
    bundleVersion: z.int().min(1).optional(),
    /** How many policies to pass over. */
    skip: z.int().min(0).default(0),
  }),
  reply: z.strictObject({
    bundleVersion: z.int(),
    digest: z.string(),
    policies: z.array(effectivePolicy),
    nextSkip: z.int().nullable(),
  }),
});

const remedy = z.discriminatedUnion('what', [
  z.strictObject({ what: z.literal('role'), role: z.enum(ROLES) }),
  z.strictObject({ what: z.literal('approvals'), approvals: z.int() }),
  z.strictObject({ what: z.literal('break-glass') }),
  z.strictObject({ what: z.literal('role-and-break-glass') }),
  z.strictObject({ what: z.literal('without-policies'), policies: z.array(z.string()) }),
  z.strictObject({ what: z.literal('active-principal') }),
]);

/** Why a decision comes out as it does, or did. Nothing of a resource is told that the asker did not say itself. */
export const explainDecision = defineRpc({
  name: 'explainDecision',
  service: 'policy',
  noun: 'decision',
  verb: 'explain',
  request: z.strictObject({
    /** A name: as the directory tells of it now. The whole: as it was recorded. */
    principal: z.union([principalName, policyRequest.shape.principal]),
    action: policyRequest.shape.action,
    resource: policyRequest.shape.resource,
    context: policyRequest.shape.context,
    /** The policies of then; absent: those in force. */
    bundleVersion: z.int().min(1).optional(),
    /** What was said then before any policy was asked, as it was recorded. */
    objection: z.string().max(256).optional(),
  }),
  reply: z.strictObject({
    decision: policyDecision,
    /** The determining policies, and those that erred. */
    policies: z.array(effectivePolicy),
    /** What they looked at; `*` is the id. Where no policy determined: what all policies on this action look at. */
    attributes: z.array(
      z.strictObject({
        of: z.enum(['principal', 'resource', 'context']),
        attribute: z.string(),
        value: z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]).nullable(),
      }),
    ),
    /** Found by trying; each alone is enough. */
    wouldPermit: z.array(remedy),
  }),
});
