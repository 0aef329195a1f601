export {
  type ChannelKeyFields,
  type ChannelKeyStatement,
  type ChannelPrivateKey,
  channelKeyId,
  importChannelKey,
  makeChannelKeyPair,
  readChannelKey,
  signChannelKey,
} from './channel-key.js';
export {
  type ClientSession,
  type IncomingReply,
  type OpenSessionOptions,
  type OutgoingRequest,
  openSession,
} from './client-session.js';
export { type Acceptor, type AcceptorOptions, type SetupAttempts, makeAcceptor } from './acceptor.js';
export type { IncomingRequest, OutgoingReply, ServiceSession } from './service-session.js';
export { type SealedRequest, openSealedRequest, sealRequest } from './sealed-request.js';
export { type HandoverQuestion, handOver, makeHandoverQuestion, takeOver } from './key-handover.js';
export { openWithStateKey, sealWithStateKey } from './state-key.js';
export { CLOCK_SKEW_MS, MAX_CHANNEL_KEY_MS, MAX_MESSAGES, MAX_SESSION_MS } from './limits.js';
