export {
  type ConnectionLogger,
  type ConnectMeshOptions,
  type MeshConnection,
  connectMesh,
} from './connection.js';
export type { Call, Handler, PrincipalView, Served } from './rpc/call.js';
export { type Dispatcher, type DispatcherOptions, makeDispatcher } from './rpc/dispatcher.js';
export { type ServeOptions, serveOperations } from './rpc/serve.js';
export { type Caller, type CallerOptions, type CallOptions, callPlain, makeCaller } from './rpc/caller.js';
export {
  type Pack,
  type PackedRecord,
  type PackHeader,
  decodePack,
  encodeBeside,
  encodeLeaf,
  encodePack,
  verifyPack,
} from './journal/pack.js';
export { type Journal, type JournalOptions, JOURNAL_HEARTBEAT_MS, makeJournal } from './journal/journal.js';
export {
  type PublishEventOptions,
  isEventSignedBy,
  publishEvent,
  publishPush,
} from './streams/publish-event.js';
export {
  type ConsumeOptions,
  type Consumption,
  type Delivery,
  consume,
  consumeBatches,
} from './streams/consume.js';
export { getPolicyBundle, putPolicyBundle, watchPolicyBundle } from './streams/policy-bundle.js';
export { reconcileStreams } from './streams/reconcile-streams.js';
