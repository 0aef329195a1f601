import type { listTypes } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { Audited } from '../domain/audit-trail.js';
import { credentialTypes, describePlugin } from '../domain/types/index.js';

export interface ListTypesPorts {
  readonly audited: Audited;
}

/** What credential types there are: facts of the program, which everybody who is in the mesh may know. @throws AUDIT_UNAVAILABLE */
export const makeListTypes = ({ audited }: ListTypesPorts): Handler<typeof listTypes> =>
  audited<typeof listTypes>('type.listed', async (_request, _call, attempt) => {
    await attempt.succeeded();
    return { types: Object.values(credentialTypes).map(describePlugin) };
  });
