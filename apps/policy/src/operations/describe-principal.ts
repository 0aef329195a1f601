import type { describePrincipal, Statement } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { authorize, type OperationPorts } from '../domain/authorize.js';
import { findPrincipal } from '../domain/guards.js';
import type { Record } from '../domain/ports.js';

/** All that is known of one principal, and who said it when; everybody may ask about itself. Recorded before it is told. */
export const makeDescribePrincipal =
  (ports: OperationPorts & { readonly record: Record }): Handler<typeof describePrincipal> =>
  async ({ principal }, call) => {
    const { book, makeRecord, record } = ports;
    const asked = { action: 'principal.read', type: 'principal.described', subject: principal } as const;
    const decision = principal === call.principal ? undefined : await authorize(ports, call, asked);
    const state = book.current();
    const { roles, nkeys, channelKeys, ...entry } = findPrincipal(state, principal);
    await record({
      record: makeRecord('principal.described', 'success', {
        call,
        subject: principal,
        ...(decision === undefined ? {} : { decision }),
      }),
    });
    return {
      ...entry,
      roles: [...roles],
      nkeys: [...nkeys],
      channelKeys: [...channelKeys],
      taken: state.directory.taken
        .filter((taking) => taking.principal === principal)
        .map(({ status, until, reason }) => ({ status, until, reason })),
      sessions: state.directory
        .sessions()
        .filter((session) => session.principal === principal)
        .map(({ ruleId, nkey, channelKey, openedAt, expiresAt }) => ({
          ...{ ruleId, nkey, channelKey, openedAt, expiresAt },
        })),
      history: state.directory
        .historyOf(principal)
        .map((said) => ({ type: said.type, issuer: said.issuer, issuedAt: said.issuedAt, says: tell(said) })),
    };
  };

function tell(said: Statement): string {
  switch (said.type) {
    case 'enrolment.issued':
      return `invited as ${said.kind}, roles ${rolesOf(said.roles)}`;
    case 'enrolment.completed':
      return `its keys: ${said.nkey} ${said.channelKey}`;
    case 'principal.granted':
      return `named as ${said.kind}, roles ${rolesOf(said.roles)}, keys: ${said.nkey} ${said.channelKey}`;
    case 'principal.status-set':
      return said.status;
    case 'principal.roles-set':
      return `roles ${rolesOf(said.roles)} instead of ${rolesOf(said.before)}`;
    case 'principal.attributes-set':
      return `attributes ${JSON.stringify(said.attributes)}`;
    case 'principal.keys-added':
      return `keys added: ${[...said.nkeys, ...said.channelKeys.map(({ key }) => key)].join(' ')}`;
    case 'principal.keys-removed':
      return `keys removed: ${[...said.nkeys, ...said.channelKeys].join(' ')}`;
    case 'break-glass.opened':
      return `break-glass open until ${said.until}`;
    case 'break-glass.closed':
      return `break-glass ${said.openingId} closed`;
    case 'break-glass.reviewed':
      return `break-glass ${said.openingId} reviewed: ${said.justified ? 'justified' : 'not justified'}`;
    // About other things than principals; their history is told by the operations on them.
    case 'policy.set':
    case 'policy.confirmed':
      return said.policyId;
    case 'policy.shadow-set':
      return said.digest ?? 'none';
    case 'kill-switch.lifted':
      return said.killId;
    case 'credential-policy.set':
      return said.document === null ? 'removed' : 'set';
    case 'identity-rule.set':
      return said.ruleId;
  }
}

const rolesOf = (roles: readonly string[]): string => (roles.length === 0 ? 'none' : roles.join(' '));
