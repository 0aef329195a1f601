import { tellingInForce } from '../domain/in-force.js';
import { makeConfirmPolicy } from '../operations/confirm-policy.js';
import { makeDescribePolicy } from '../operations/describe-policy.js';
import { makeListPolicies } from '../operations/list-policies.js';
import { makeSetPolicy } from '../operations/set-policy.js';
import { makeValidatePolicy } from '../operations/validate-policy.js';
import type { PolicyTextOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** Who may what: policies that operators write. */
export function policyOperations(ports: PolicyPorts): PolicyTextOperations {
  const told = tellingInForce(ports);
  return {
    setPolicy: told(makeSetPolicy(ports)),
    confirmPolicy: told(makeConfirmPolicy(ports)),
    listPolicies: makeListPolicies(ports),
    describePolicy: makeDescribePolicy(ports),
    validatePolicy: makeValidatePolicy(ports),
  };
}
