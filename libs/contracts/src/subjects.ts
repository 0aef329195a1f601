import type { ServiceName } from './identity.js';

// The whole grammar of the bus. ADR 0001. Never a credential name, user string or id in a subject, but the principal's token.
const ROOT = 'keymesh.v1';

export const subjects = {
  /** Request-reply. The broker lets a principal publish only under its own token. */
  rpc: (principal: string, service: ServiceName, noun: string, verb: string) =>
    `${ROOT}.rpc.${principal}.${service}.${noun}.${verb}`,
  /** What one service answers, of every principal. */
  rpcOf: (service: ServiceName) => `${ROOT}.rpc.*.${service}.>`,
  rpcAll: `${ROOT}.rpc.*.>`,
  rpcBy: (principal: string) => `${ROOT}.rpc.${principal}.>`,
  push: (principal: string, noun: string, past: string) => `${ROOT}.push.${principal}.${noun}.${past}`,
  pushTo: (principal: string) => `${ROOT}.push.${principal}.>`,
  pushAll: `${ROOT}.push.>`,
  event: (service: ServiceName, noun: string, past: string) => `${ROOT}.evt.${service}.${noun}.${past}`,
  eventsOf: (service: ServiceName) => `${ROOT}.evt.${service}.>`,
  eventsAll: `${ROOT}.evt.>`,
  journal: (service: ServiceName) => `${ROOT}.journal.${service}`,
  journalAll: `${ROOT}.journal.*`,
  audit: (service: ServiceName, noun: string, past: string) => `${ROOT}.audit.${service}.${noun}.${past}`,
  auditAll: `${ROOT}.audit.>`,
  alert: (severity: string, kind: string) => `${ROOT}.alert.${severity}.${kind}`,
  alertAll: `${ROOT}.alert.>`,
  /** Core NATS between instances of one service: drop what is cached. */
  invalidate: (service: ServiceName) => `${ROOT}.sync.${service}.invalidate`,
  /** Core NATS from every instance to the policy service: by which bundle it decides. */
  bundleConfirmed: (service: ServiceName) => `${ROOT}.sync.${service}.bundle`,
  bundleConfirmedAll: `${ROOT}.sync.*.bundle`,
  /** Core NATS from the anomaly detector to every service: the risk of principals. */
  riskScored: `${ROOT}.sync.anomaly-detector.risk`,
  /** Unpredictable reply inbox of a principal; the connection's inbox prefix. */
  inboxPrefix: (principal: string) => `_INBOX_${principal}`,
} as const;

/** A parsed RPC subject. */
export interface RpcSubject {
  readonly principal: string;
  readonly service: string;
  readonly noun: string;
  readonly verb: string;
}

/** @returns undefined for anything that is not an RPC subject. */
export function parseRpcSubject(subject: string): RpcSubject | undefined {
  const [root, version, kind, principal, service, noun, verb, ...rest] = subject.split('.');
  if (root !== 'keymesh' || version !== 'v1' || kind !== 'rpc' || rest.length > 0) return undefined;
  if (!principal || !service || !noun || !verb) return undefined;
  return { principal, service, noun, verb };
}
