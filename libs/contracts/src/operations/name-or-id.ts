import { z } from 'zod';
import { credentialName } from '../credential-shapes.js';

/** Fields that name one credential. A deleted one keeps its id, while its name may be another's by now. */
export const nameOrId = { name: credentialName.optional(), credentialId: z.uuid().optional() };

/** For `refine`: one of both, not none and not two. */
export const hasOne = ({
  name,
  credentialId,
}: {
  name?: string | undefined;
  credentialId?: string | undefined;
}): boolean => (name === undefined) !== (credentialId === undefined);
/** What is said otherwise. */
export const ONE_OF_BOTH = 'Give either name or credentialId.';
