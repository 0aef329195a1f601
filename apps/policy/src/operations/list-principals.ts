import type { listPrincipals } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorize, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Who is in the mesh, by name, as of now. Recorded before it is told. */
export const makeListPrincipals =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof listPrincipals> =>
  async (_request, call) => {
    const decision = await authorize(ports, call, { action: 'principal.read', type: 'principal.listed' });
    const principals = ports.book
      .current()
      .directory.list()
      .map(({ name, kind, roles, status, lockedUntil, createdAt }) => ({
        name,
        kind,
        roles: [...roles],
        status,
        lockedUntil,
        createdAt,
      }));
    const facts = { principals: principals.length };
    await ports.record({
      record: ports.makeRecord('principal.listed', 'success', { call, decision, facts }),
    });
    return { principals };
  };
