import type { listTemplates } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { Audited } from '../domain/audit-trail.js';
import type { Templates } from '../domain/templates/index.js';

export interface TemplatesPorts {
  readonly audited: Audited;
  readonly templates: Templates;
}

/** What templates there are: nothing of any credential, so everybody who is in the mesh may know. @throws AUDIT_UNAVAILABLE */
export const makeListTemplates = ({ audited, templates }: TemplatesPorts): Handler<typeof listTemplates> =>
  audited<typeof listTemplates>('template.listed', async (_request, _call, attempt) => {
    await attempt.succeeded();
    return { templates: [...templates.list()] };
  });
