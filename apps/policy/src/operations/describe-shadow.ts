import type { describeShadow, ShadowPolicies } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorized, type OperationPorts } from '../domain/authorize.js';
import type { PolicyState, Record } from '../domain/ports.js';
import { ALL_POLICIES } from './list-policy-sets.js';

/** Texts in the shadow that have the signed digest. @throws STORE_UNAVAILABLE */
export type FindShadow = (state: PolicyState) => Promise<ShadowPolicies | undefined>;

/** What is in the shadow, and who put it there. Recorded before it is told. */
export const makeDescribeShadow =
  (
    ports: OperationPorts & { readonly record: Record; readonly findShadow: FindShadow },
  ): Handler<typeof describeShadow> =>
  async (_request, call) => {
    const { book, makeRecord, record, findShadow } = ports;
    const resource = { ...ALL_POLICIES, attributes: {} };
    const asked = { action: 'policy.read', type: 'policy-shadow.described', resource } as const;
    return authorized(ports, call, asked, async (decision) => {
      const state = book.current();
      const { shadow } = state.directory;
      const policies = shadow === undefined ? undefined : await findShadow(state);
      await record({
        record: makeRecord('policy-shadow.described', 'success', { call, decision, resource: ALL_POLICIES }),
      });
      return { shadow: shadow === undefined ? null : { ...shadow, policies: policies ?? null } };
    });
  };
