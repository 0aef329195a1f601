export * from './task.js';
export { makeMetrics, type Metrics } from './telemetry/metrics.js';
export { inSpan } from './telemetry/in-span.js';
export {
  makeHealthRegistry,
  type CheckResult,
  type CheckStatus,
  type HealthRegistry,
  type HealthReport,
} from './health/health-registry.js';
export {
  makePolicyHolder,
  type CurrentPolicy,
  type PolicyHolder,
  type WritablePolicyHolder,
} from './policy/policy-holder.js';
export { firstPolicy } from './policy/first-policy.js';
export { openPolicy } from './policy/open-policy.js';
export { openFlooredPolicy, type FlooredPolicy, type FlooredPolicyOptions } from './policy/floored-policy.js';
export { type PolicyNews } from './policy/policy-news.js';
export { type Doubt, type Freshness } from './policy/freshness.js';
export {
  approvalFacts,
  makeAskPolicy,
  openAskPolicy,
  recordedDecision,
  refusalOf,
  type Access,
  type AskPolicy,
} from './policy/ask-policy.js';
export { makePolicyPort, type PolicyPort } from './policy/policy-port.js';
export { CONFIRM_EVERY_MS, confirmBundles } from './policy/confirm-bundles.js';
export { observeDecisions } from './policy/observe-decisions.js';
export { certifiedChannelKeys, type CertifiedChannelKeysOptions } from './channel/certified-channel-keys.js';
export type { ChannelKeyProvider } from './channel/channel-key-provider.js';
export { channelKeysOf } from './boot/build-kit.js';
export type { ServiceDefinition, PolicyHookKit, ChannelKeysHookKit } from './boot/service-definition.js';
export { runService, startService, type RunningService } from './boot/run-service.js';
export { Rpc } from './transport/rpc.js';
export { rpcController, type Contracts, type HandlersOf } from './transport/rpc-controller.js';
export { Consume, ConsumeBatches, ConsumeSharedBatches } from './transport/consume.js';
export * from './tokens.js';
