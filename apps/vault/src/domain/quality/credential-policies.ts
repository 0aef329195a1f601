import type { CredentialPolicyDocument } from '@keymesh/contracts';
import { credentialTypes } from '../types/index.js';
import {
  DEFAULT_CREDENTIAL_POLICY,
  overlay,
  type CredentialPolicy,
  type CredentialPolicyLayer,
  type CredentialPolicyOf,
} from './credential-policy.js';

/**
 * Which policy holds where. General settings lie below those of a type, wider below narrower:
 * built in → the document's defaults → its namespaces, from the shortest prefix → the type's own → its types → namespaces' types.
 */
export function makeCredentialPolicies(document: CredentialPolicyDocument = {}): CredentialPolicyOf {
  const known = new Map<string, CredentialPolicy>();
  return (namespace, type) => {
    const key = `${type} ${namespace}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const policy = layersOf(document, namespace, type).reduce(overlay, DEFAULT_CREDENTIAL_POLICY);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, policy);
    return policy;
  };
}

/** Namespaces are made by writers: memory must not grow with them without end. */
const MAX_KNOWN = 10_000;

function layersOf(
  document: CredentialPolicyDocument,
  namespace: string,
  type: string,
): (CredentialPolicyLayer | undefined)[] {
  const segments = namespace.split('/');
  const within = segments
    .map((_, at) => document.namespaces?.[segments.slice(0, at + 1).join('/')])
    .filter((found) => found !== undefined);
  const plugin = Object.hasOwn(credentialTypes, type)
    ? credentialTypes[type as keyof typeof credentialTypes]
    : undefined;
  return [
    document.defaults,
    ...within,
    plugin?.policy,
    document.types?.[type],
    ...within.map((found) => found.types?.[type]),
  ];
}
