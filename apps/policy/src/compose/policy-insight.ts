import { makeDescribePolicySet } from '../operations/describe-policy-set.js';
import { makeExplainDecision } from '../operations/explain-decision.js';
import { makeListPolicySets } from '../operations/list-policy-sets.js';
import { makePolicySets } from '../store/policy-history.js';
import type { PolicyInsightOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** Why decisions are as they are, and by which policies they were made. */
export function policyInsightOperations(ports: PolicyPorts): PolicyInsightOperations {
  const insight = { ...ports, policySets: makePolicySets(ports.kit.dataSource) };
  return {
    listPolicySets: makeListPolicySets(insight),
    describePolicySet: makeDescribePolicySet(insight),
    explainDecision: makeExplainDecision(insight),
  };
}
