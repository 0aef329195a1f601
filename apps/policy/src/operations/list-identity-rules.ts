import type { listIdentityRules } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorize, type OperationPorts } from '../domain/authorize.js';
import type { Record } from '../domain/ports.js';

/** Which other proofs of identity stand for whom. Recorded before it is told. */
export const makeListIdentityRules =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof listIdentityRules> =>
  async (_request, call) => {
    const { book, makeRecord, record } = ports;
    const decision = await authorize(ports, call, { action: 'principal.read', type: 'identity-rule.listed' });
    const { directory } = book.current();
    const live = directory.sessions();
    await record({ record: makeRecord('identity-rule.listed', 'success', { call, decision }) });
    return {
      rules: directory.identityRules.map((rule) => ({
        ...rule,
        sessions: live.filter(({ ruleId }) => ruleId === rule.ruleId).length,
      })),
    };
  };
