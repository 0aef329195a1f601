import { tellingInForce } from '../domain/in-force.js';
import { makeDescribeCredentialPolicy } from '../operations/describe-credential-policy.js';
import { makeSetCredentialPolicy } from '../operations/set-credential-policy.js';
import type { CredentialPolicyOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** What is asked of values before the vault stores them. */
export const credentialPolicyOperations = (ports: PolicyPorts): CredentialPolicyOperations => ({
  setCredentialPolicy: tellingInForce(ports)(makeSetCredentialPolicy(ports)),
  describeCredentialPolicy: makeDescribeCredentialPolicy(ports),
});
