import {
  failure,
  type explainDecision,
  type PolicyRequest,
  type ReplyOf,
  type RequestOf,
} from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import {
  explainDecision as explain,
  isByPolicies,
  parsePolicies,
  policyPrincipal,
  type Explanation,
  type Policy,
} from '@keymesh/policy-engine';
import { authorized } from '../domain/authorize.js';
import { knownPolicySet, withAuthor } from '../domain/policy-sets.js';
import type { PolicyState, PolicyBook } from '../domain/ports.js';
import { ALL_POLICIES, type PolicyInsightPorts } from './list-policy-sets.js';

type Request = RequestOf<typeof explainDecision>;

/**
 * Why a decision comes out as it does, or did: by which policies, what they looked at, and what would have permitted it. Of the resource
 * only what the asker says is known here, so nothing about it is given away. Recorded before it is told.
 * @throws PRINCIPAL_NOT_FOUND, POLICY_NOT_FOUND
 */
export const makeExplainDecision =
  (ports: PolicyInsightPorts): Handler<typeof explainDecision> =>
  (asked, call) => {
    const resource = { ...ALL_POLICIES, attributes: {} };
    const asking = { action: 'policy.read', type: 'decision.explained', resource } as const;
    return authorized(ports, call, asking, async (decision) => {
      const current = ports.book.current();
      const request = requestOf(asked, current);
      const { bundleVersion, policies } = await policiesOf(ports, asked.bundleVersion, current);
      const objection = asked.objection ?? objectionNow(asked, request, current);
      const explained = explain(parsePolicies(policies), request, objection);
      const facts = { bundleVersion, action: asked.action, principal: request.principal.name };
      await ports.record({
        record: ports.makeRecord('decision.explained', 'success', {
          ...{ call, decision, resource: ALL_POLICIES, facts },
        }),
      });
      return replyOf(explained, { bundleVersion, request, policies, directory: current.directory });
    });
  };

function replyOf(
  { effect, determiningPolicies, errors, attributes, wouldPermit }: Explanation,
  {
    bundleVersion,
    request,
    policies,
    directory,
  }: {
    readonly bundleVersion: number;
    readonly request: PolicyRequest;
    readonly policies: readonly Policy[];
    readonly directory: PolicyState['directory'];
  },
): ReplyOf<typeof explainDecision> {
  const had = (id: string): boolean =>
    determiningPolicies.includes(id) || errors.some((error) => error.startsWith(`${id}: `));
  const decision = { effect, bundleVersion, request };
  return {
    decision: { ...decision, determiningPolicies: [...determiningPolicies], errors: [...errors] },
    policies: policies.filter(({ id }) => had(id)).map((policy) => withAuthor(directory, policy)),
    attributes: attributes.map(({ value, ...read }) => ({ ...read, value: plain(value) })),
    wouldPermit: wouldPermit.map((remedy) =>
      remedy.what === 'without-policies' ? { ...remedy, policies: [...remedy.policies] } : remedy,
    ),
  };
}

type Current = ReturnType<PolicyBook['current']>;

function requestOf(
  { principal, action, resource, context }: Request,
  { directory }: PolicyState,
): PolicyRequest {
  if (typeof principal !== 'string') return { principal, action, resource, context };
  const entry = directory.find(principal);
  if (entry === undefined) throw failure('PRINCIPAL_NOT_FOUND');
  return { principal: policyPrincipal(entry), action, resource, context };
}

async function policiesOf(
  { policySets }: PolicyInsightPorts,
  version: number | undefined,
  { version: bundleVersion, engine }: Current,
): Promise<{ readonly bundleVersion: number; readonly policies: readonly Policy[] }> {
  if (version === undefined) return { bundleVersion, policies: engine.policies };
  const { policies } = await knownPolicySet(policySets, version);
  return { bundleVersion: version, policies };
}

/** What the directory says now, before any policy is asked. Of a request that was recorded only the record knows. */
function objectionNow(
  { principal, bundleVersion }: Request,
  request: PolicyRequest,
  { engine }: Current,
): string | undefined {
  if (typeof principal !== 'string' || bundleVersion !== undefined) return undefined;
  const decision = engine.decide(request);
  return isByPolicies(decision) ? undefined : decision.errors[0];
}

const plain = <T>(value: T | readonly string[]): T | string[] =>
  Array.isArray(value) ? [...(value as readonly string[])] : (value as T);
