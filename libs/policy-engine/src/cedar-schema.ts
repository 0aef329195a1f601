import { ACTIONS } from '@keymesh/contracts';

/** Resource attributes that policies may read. Never a name. All optional: a policy tests with `has` first. */
const CREDENTIAL_ATTRIBUTES = `
    namespace?: String, type?: String, provider?: String, owner?: String, tags?: Set<String>,
    sensitivity?: String, stage?: String, version?: Long, isActive?: Bool, expiresAt?: Long`;

/** A label is one string, `key=value`. `breakGlass`: it has opened its break-glass and that has not ended. */
const PRINCIPAL_ATTRIBUTES = `
    kind: String, team?: String, environment?: String, networks?: Set<String>, labels?: Set<String>,
    breakGlass?: Bool`;

/**
 * The vocabulary of policies in Cedar's schema language. `time` is seconds since the Unix epoch, `risk` 0 to 100,
 * `network` the block from which is asked (a /24, or a /48 of IPv6).
 * A principal as a resource is a PrincipalRecord, so that nobody is its own resource by accident.
 */
export const CEDAR_SCHEMA = `namespace Keymesh {
  entity Role;
  entity Principal in [Role] {${PRINCIPAL_ATTRIBUTES}
  };
  entity Credential {${CREDENTIAL_ATTRIBUTES}
  };
  entity Namespace { namespace?: String };
  entity PrincipalRecord { kind?: String, roles?: Set<String> };
  entity Policy { twoPerson?: Bool };
  entity AuditLog;
  entity Finding;
  entity ChannelKey;
  entity Rotation { owner?: String };
  type Context = {
    channel?: String, network?: ipaddr, service?: String, purpose?: String, stage?: String, version?: Long,
    time?: Long, risk?: Long, approvals?: Long, contentHash?: String
  };
  action ${ACTIONS.map((action) => JSON.stringify(action)).join(', ')} appliesTo {
    principal: [Principal],
    resource: [Credential, Namespace, PrincipalRecord, Policy, AuditLog, Finding, ChannelKey, Rotation],
    context: Context
  };
}
`;
