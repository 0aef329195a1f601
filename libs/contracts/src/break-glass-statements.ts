import { z } from 'zod';
import { clientPrincipalName } from './identity.js';
import { base } from './statement-base.js';

/** How long one opening may last. */
export const MAX_BREAK_GLASS_MINUTES = 240;

/** A holder of the role `break-glass` opens it for itself, for a while. Its statement id is the opening's id. */
export const breakGlassOpened = z.strictObject({
  ...base,
  type: z.literal('break-glass.opened'),
  principal: clientPrincipalName,
  until: z.iso.datetime(),
});

/** It ends before its time: by its holder or by an operator. */
export const breakGlassClosed = z.strictObject({
  ...base,
  type: z.literal('break-glass.closed'),
  principal: clientPrincipalName,
  openingId: z.uuid(),
});

/** Somebody else has looked at what was done under it. What was found stands in the audit log; here is what it comes to. */
export const breakGlassReviewed = z.strictObject({
  ...base,
  type: z.literal('break-glass.reviewed'),
  principal: clientPrincipalName,
  openingId: z.uuid(),
  justified: z.boolean(),
});
