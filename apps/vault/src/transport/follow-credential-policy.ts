import type { CredentialPolicyDocument } from '@keymesh/contracts';
import { readCredentialPolicy } from '@keymesh/policy-engine';
import type { HealthRegistry, Logger, PolicyHolder } from '@keymesh/service-kit';
import { makeCredentialPolicies } from '../domain/quality/credential-policies.js';
import type { CredentialPolicyOf } from '../domain/quality/credential-policy.js';

interface FollowOptions {
  readonly policy: Pick<PolicyHolder, 'onChange'>;
  readonly logger: Pick<Logger, 'info' | 'error'>;
  readonly health: Pick<HealthRegistry, 'register'>;
  readonly onShutdown: (what: string, stop: () => void) => void;
}

/**
 * The credential policy of the bundle that decides now, at once when another comes; where operators wrote none, `own`: that of the vault's
 * configuration. One that a later release wrote and this one cannot read leaves the one before it in force.
 */
export function followCredentialPolicy(
  { policy, logger, health, onShutdown }: FollowOptions,
  own: CredentialPolicyDocument,
): CredentialPolicyOf {
  let statementId: string | undefined;
  let policyOf = makeCredentialPolicies(own);
  let isOutdated = false;
  const stop = policy.onChange(({ directory }) => {
    const read = readCredentialPolicy(directory);
    const wasOutdated = isOutdated;
    isOutdated = read?.isOutdated ?? directory.credentialPolicy !== null;
    if (isOutdated && !wasOutdated) logger.error({}, 'the credential policy in force cannot be read');
    if (read?.statementId === statementId) return;
    statementId = read?.statementId;
    policyOf = makeCredentialPolicies(read?.document ?? own);
    logger.info({ statementId }, 'credential policy taken');
  });
  onShutdown('credential policy', stop);
  health.register('credential-policy', () => ({ status: isOutdated ? 'degraded' : 'ok' }));
  return (namespace, type) => policyOf(namespace, type);
}
