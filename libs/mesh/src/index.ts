export {
  type ConnectionLogger,
  type ConnectMeshOptions,
  type MeshConnection,
  connectMesh,
} from './connection.js';
export {
  type FailedAttempts,
  type FailedAttemptsOptions,
  type Lockout,
  type LockoutRule,
  lockoutMsOf,
  makeFailedAttempts,
} from './failed-attempts.js';
export { type NkeyPair, isSignedByNkey, nkeyPairOf } from './nkey.js';
export { type Call, type Handler, type PrincipalView, type Served, callContext } from './rpc/call.js';
export {
  type Dispatcher,
  type DispatcherOptions,
  type ServedOperation,
  makeDispatcher,
} from './rpc/dispatcher.js';
export { type ServeOptions, operationKey, serveOperations } from './rpc/serve.js';
export { type Caller, type CallerOptions, makeCaller } from './rpc/caller.js';
export { type CallOptions, callPlain } from './rpc/plain-call.js';
export {
  type Pack,
  type PackedRecord,
  type PackHeader,
  decodePack,
  encodePack,
  NO_PREVIOUS,
  packHash,
  verifyPack,
} from './journal/pack.js';
export { encodeBeside, encodeLeaf } from './journal/leaf.js';
export { type ChainLink, type ChainVerdict, judgePack } from './journal/chain.js';
export {
  type Journal,
  type JournalOptions,
  type RecordOptions,
  JOURNAL_HEARTBEAT_MS,
  makeJournal,
} from './journal/journal.js';
export type { PackOutcome } from './journal/pack-sender.js';
export { type PublishEventOptions, publishEvent, publishPush } from './streams/publish-event.js';
export {
  type ConsumeOptions,
  type Consumption,
  type Delivery,
  consume,
  consumeBatches,
  consumeSharedBatches,
} from './streams/consume.js';
export { decodeConfirmation, encodeConfirmation } from './streams/bundle-confirmation.js';
export { getPolicyBundle, putPolicyBundle, watchPolicyBundle } from './streams/policy-bundle.js';
export { reconcileStreams } from './streams/reconcile-streams.js';
export {
  type EventToSign,
  type SignedEvent,
  isEventSignedBy,
  signEvents,
} from './streams/event-signature.js';
export { decodeRiskScores, encodeRiskScores } from './streams/risk-scores.js';
export type { MeshTls } from './tls.js';
