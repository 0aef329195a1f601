import { inStore } from '@keymesh/postgres';
import { tellingInForce } from '../domain/in-force.js';
import { makeDescribePolicySet } from '../operations/describe-policy-set.js';
import { makeDescribeShadow } from '../operations/describe-shadow.js';
import { makeExplainDecision } from '../operations/explain-decision.js';
import { makeListPolicySets } from '../operations/list-policy-sets.js';
import { makeSetShadow } from '../operations/set-shadow.js';
import { makePolicySets } from '../store/policy-history.js';
import { findShadow } from '../store/shadow-rows.js';
import type { PolicyInsightOperations } from '../transport/operations.js';
import type { PolicyPorts } from './ports.js';

/** Why decisions are as they are, and by which policies they were made. */
export function policyInsightOperations(ports: PolicyPorts): PolicyInsightOperations {
  const { dataSource } = ports.kit;
  const insight = { ...ports, policySets: makePolicySets(dataSource) };
  const told = tellingInForce(ports);
  return {
    listPolicySets: makeListPolicySets(insight),
    describePolicySet: makeDescribePolicySet(insight),
    explainDecision: makeExplainDecision(insight),
    setShadow: told(makeSetShadow(ports)),
    describeShadow: makeDescribeShadow({
      ...ports,
      findShadow: ({ directory }) => inStore(() => findShadow(dataSource.manager, directory)),
    }),
  };
}
