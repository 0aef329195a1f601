import { z } from 'zod';
import { inForce } from '../bundle-confirmation.js';
import { principalName } from '../identity.js';
import { defineRpc } from '../rpc.js';
import { statementText } from './policy.js';

const text = z.string().min(1).max(1_024);

export const breakGlassSummary = z.strictObject({
  openingId: z.uuid(),
  principal: principalName,
  openedAt: z.iso.datetime(),
  until: z.iso.datetime(),
  /** `unreviewed`: it has ended and nobody has looked at it yet. */
  status: z.enum(['open', 'unreviewed', 'reviewed']),
  reason: z.string().nullable(),
  closedAt: z.iso.datetime().nullable(),
  closedBy: principalName.nullable(),
  reviewedAt: z.iso.datetime().nullable(),
  reviewedBy: principalName.nullable(),
  justified: z.boolean().nullable(),
  finding: z.string().nullable(),
});
export type BreakGlassSummary = z.output<typeof breakGlassSummary>;

const changed = z.strictObject({
  openingId: z.uuid(),
  principal: principalName,
  bundleVersion: z.int(),
  inForce: inForce.optional(),
});

/** Publishes the caller's signed `break-glass.opened`: its role `break-glass` gives from now until then. Loud. */
export const openBreakGlass = defineRpc({
  name: 'openBreakGlass',
  service: 'policy',
  noun: 'break-glass',
  verb: 'open',
  mutation: true,
  request: z.strictObject({ statement: statementText, reason: text }),
  reply: changed.extend({ until: z.iso.datetime() }),
});

/** Publishes a signed `break-glass.closed`: of its holder, or of an operator. */
export const closeBreakGlass = defineRpc({
  name: 'closeBreakGlass',
  service: 'policy',
  noun: 'break-glass',
  verb: 'close',
  mutation: true,
  request: z.strictObject({ statement: statementText }),
  reply: changed,
});

/** Publishes somebody else's signed `break-glass.reviewed`, with what was found. */
export const reviewBreakGlass = defineRpc({
  name: 'reviewBreakGlass',
  service: 'policy',
  noun: 'break-glass',
  verb: 'review',
  mutation: true,
  request: z.strictObject({ statement: statementText, finding: text }),
  reply: changed,
});

/** Openings, newest first: the caller's own, and with `break-glass.review` everybody's. */
export const listBreakGlass = defineRpc({
  name: 'listBreakGlass',
  service: 'policy',
  noun: 'break-glass',
  verb: 'list',
  request: z.strictObject({}),
  reply: z.strictObject({ openings: z.array(breakGlassSummary) }),
});
