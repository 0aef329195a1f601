import { servicePrincipal } from '@keymesh/contracts';
import { signingKeyOf } from '@keymesh/kernel';
import {
  KIT,
  observeDecisions,
  rpcController,
  type ServiceDefinition,
  type ServiceKit,
} from '@keymesh/service-kit';
import type { PolicyConfig } from './config.js';
import { makeRecordMaker } from './domain/audit.js';
import { openAuthority, type Authority } from './store/authority.js';
import { makePolicyStore } from './store/book.js';
import {
  APPROVAL_CONTRACTS,
  ATTESTATION_CONTRACTS,
  BREAK_GLASS_CONTRACTS,
  CREDENTIAL_POLICY_CONTRACTS,
  KILL_SWITCH_CONTRACTS,
  POLICY_CONTRACTS,
  PRINCIPAL_CONTRACTS,
  POLICY_INSIGHT_CONTRACTS,
  SESSION_CONTRACTS,
} from './transport/contracts.js';
import { OPERATIONS } from './transport/operations.js';
import { makePolicyBucket } from './transport/policy-bucket.js';
import { startWork, type Work } from './start-work.js';

const WORK = Symbol('keymesh.policy.work');

/** Each has its operations in compose/. */
const GROUPS = [
  APPROVAL_CONTRACTS,
  BREAK_GLASS_CONTRACTS,
  CREDENTIAL_POLICY_CONTRACTS,
  KILL_SWITCH_CONTRACTS,
  ATTESTATION_CONTRACTS,
  POLICY_CONTRACTS,
  PRINCIPAL_CONTRACTS,
  SESSION_CONTRACTS,
  POLICY_INSIGHT_CONTRACTS,
];

/** The policy service: it makes the bundles, so it is its own policy holder. */
export function policyService(readConfig: () => PolicyConfig): ServiceDefinition<PolicyConfig> {
  let authority: Authority | undefined;
  let poke = (): void => undefined;
  return {
    name: 'policy',
    config: readConfig,
    database: { schema: 'policy', entities: [] },
    async policy(kit) {
      const { config, dataSource, connection, clock, logger, instance, health, metrics } = kit;
      const { trustRoot } = config;
      authority = await openAuthority({
        store: makePolicyStore({ dataSource, trustRoot, bundleKey: signingKeyOf(config.bundleSeed), clock }),
        bucket: makePolicyBucket(connection, trustRoot),
        trustRoot,
        genesis: config.genesis,
        makeRecord: makeRecordMaker({ instance, clock }),
        clock,
        logger,
        observe: (policy) => observeDecisions(policy, metrics),
        onCommitted: () => poke(),
      });
      const opened = authority;
      opened.holder.onChange(({ version }) => metrics.policyBundleVersion.set(version));
      kit.onShutdown('policy book', () => opened.stop());
      health.register('bundle', () => ({ status: opened.isPublished() ? 'ok' : 'degraded' }));
      return opened.holder;
    },
    controllers: GROUPS.map((group) => rpcController(OPERATIONS, group)),
    providers: [
      {
        provide: WORK,
        inject: [KIT],
        useFactory: async (kit: ServiceKit<PolicyConfig>) => {
          if (authority === undefined)
            throw new Error(`${servicePrincipal('policy')} opens its book before it serves`);
          const work = await startWork(kit, authority);
          poke = () => work.relay.poke();
          return work;
        },
      },
      { provide: OPERATIONS, inject: [WORK], useFactory: (work: Work) => work.operations },
    ],
  };
}
