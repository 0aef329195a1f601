import { SERVICES, servicePrincipal, type ServiceName } from './identity.js';
import { CONSUMERS, POLICY_BUCKET, POLICY_BUNDLE_KEY, type ConsumerDeclaration } from './streams.js';
import { rpcSubject } from './rpc.js';
import { describeChannel } from './operations/channel.js';
import { enrolPrincipal } from './operations/policy.js';
import { openSession } from './operations/sessions.js';
import { subjects } from './subjects.js';

// Who may publish and subscribe what on the bus. ADR 0001. INVARIANT: nobody gets `allow_responses`: a reply goes to an
// inbox of the mesh or, over the account boundary, to `_R_.` subjects that only the server can make, or nowhere.

/** Subjects that a NATS user may publish and subscribe; everything else is refused by the server. */
export interface SubjectPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Identities with a static nkey: the services, the deploy-time identity, and policy's hand in the system account. */
export const STATIC_IDENTITIES = [...SERVICES, 'deploy', 'sys'] as const;
export type StaticIdentity = (typeof STATIC_IDENTITIES)[number];

/** The principal name of a static identity, and its inbox prefix's token: `_vault`, `_deploy`, `_sys`. */
export const identityPrincipal = (identity: StaticIdentity): string => `_${identity}`;

/** Where the server sends replies over an account boundary; a client cannot write these. */
const CROSS_ACCOUNT_REPLIES = '_R_.>';
const inboxOf = (principal: string): string => `${subjects.inboxPrefix(principal)}.>`;
const serviceInboxes = SERVICES.map((service) => inboxOf(servicePrincipal(service)));

/** Core subject on which a new policy bundle appears, and the API that reads the stored one. */
export const POLICY_SUBJECT = `$KV.${POLICY_BUCKET}.${POLICY_BUNDLE_KEY}`;
export const POLICY_GET_SUBJECT = `$JS.API.DIRECT.GET.KV_${POLICY_BUCKET}.${POLICY_SUBJECT}`;

/** What pulling from a durable consumer takes; `RESET` (back to the first unacknowledged message) only in MESH. */
const consumerSubjects = ({ stream, durable }: ConsumerDeclaration): string[] => [
  `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
  `$JS.ACK.${stream}.${durable}.>`,
];
const consumersOf = (owner: ConsumerDeclaration['owner']): ConsumerDeclaration[] =>
  Object.values(CONSUMERS).filter((consumer) => consumer.owner === owner);
const ownConsumers = (service: ServiceName): string[] =>
  service === 'vault'
    ? []
    : consumersOf(service).flatMap((consumer) => [
        ...consumerSubjects(consumer),
        `$JS.API.CONSUMER.RESET.${consumer.stream}.${consumer.durable}`,
      ]);

/** What only one service does. */
const special: Partial<Record<ServiceName, SubjectPermissions>> = {
  policy: {
    publish: [POLICY_SUBJECT, '$SYS._INBOX.>'],
    subscribe: ['$SYS.REQ.USER.AUTH', subjects.bundleConfirmedAll],
  },
  vault: {
    // How far the ledger is behind: nothing is revealed when records do not reach it in time.
    publish: [
      `$JS.API.CONSUMER.INFO.${CONSUMERS.ledger.stream}.${CONSUMERS.ledger.durable}`,
      `$JS.API.STREAM.MSG.GET.${CONSUMERS.ledger.stream}`,
    ],
    subscribe: [],
  },
  audit: {
    publish: [
      subjects.auditAll,
      subjects.alert('*', 'journal-gap'),
      // Where the journal begins and ends, where the feed ends, and the newest checkpoint outside the ledger's database.
      '$JS.API.STREAM.INFO.JOURNAL',
      '$JS.API.STREAM.INFO.AUDIT',
      '$JS.API.STREAM.MSG.GET.AUDIT',
      '$JS.API.STREAM.MSG.GET.EVENTS',
    ],
    subscribe: [],
  },
  'anomaly-detector': { publish: [subjects.alertAll, subjects.riskScored], subscribe: [] },
  rotation: {
    publish: [subjects.push('*', 'credential', 'rotated'), subjects.push('*', 'lease', 'revoked')],
    subscribe: [],
  },
};

/** The allow-lists of one of the mesh's own services. No service may create, change, purge or delete a stream or consumer. */
export function servicePermissions(service: ServiceName): SubjectPermissions {
  const principal = servicePrincipal(service);
  const own = special[service];
  return {
    publish: [
      subjects.rpcBy(principal),
      subjects.journal(service),
      subjects.eventsOf(service),
      subjects.invalidate(service),
      subjects.bundleConfirmed(service),
      CROSS_ACCOUNT_REPLIES,
      ...serviceInboxes,
      POLICY_GET_SUBJECT,
      ...ownConsumers(service),
      ...(own?.publish ?? []),
    ],
    subscribe: [
      inboxOf(principal),
      subjects.rpcOf(service),
      subjects.invalidate(service),
      POLICY_SUBJECT,
      // `context.risk` of its decisions.
      subjects.riskScored,
      ...(own?.subscribe ?? []),
    ],
  };
}

/** Deploy time only: makes and changes streams and consumers. Reads no message and deletes nothing. */
const deployPermissions: SubjectPermissions = {
  publish: [
    '$JS.API.INFO',
    '$JS.API.STREAM.CREATE.*',
    '$JS.API.STREAM.UPDATE.*',
    '$JS.API.STREAM.INFO.*',
    '$JS.API.STREAM.NAMES',
    '$JS.API.CONSUMER.CREATE.>',
    '$JS.API.CONSUMER.DURABLE.CREATE.>',
    '$JS.API.CONSUMER.INFO.>',
  ],
  subscribe: [inboxOf(identityPrincipal('deploy'))],
};

/** In the system account, for policy: finds and closes connections; sees that `sync_interval: always` is on. */
const sysPermissions: SubjectPermissions = {
  publish: ['$SYS.REQ.SERVER.*.CONNZ', '$SYS.REQ.SERVER.*.VARZ', '$SYS.REQ.SERVER.*.KICK'],
  subscribe: [inboxOf(identityPrincipal('sys'))],
};

/** The allow-lists of a static identity. */
export function identityPermissions(identity: StaticIdentity): SubjectPermissions {
  if (identity === 'deploy') return deployPermissions;
  if (identity === 'sys') return sysPermissions;
  return servicePermissions(identity);
}

/** NATS accounts; policy's callout places a principal in CLIENTS or SIEM. */
export const ACCOUNTS = { mesh: 'MESH', clients: 'CLIENTS', siem: 'SIEM', sys: 'SYS' } as const;

/** Limits in the user JWT of a client. */
export const CLIENT_LIMITS = { subs: 64, data: -1, payload: 1 << 20 } as const;

/** A principal in the account CLIENTS: asks under its own token, hears its own pushes. */
export const clientPermissions = (principal: string): SubjectPermissions => ({
  publish: [subjects.rpcBy(principal)],
  subscribe: [inboxOf(principal), subjects.pushTo(principal)],
});

/** The bearer of an enrolment token: one subject, and the answer. */
export const enrolmentPermissions = (principal: string): SubjectPermissions => ({
  publish: [rpcSubject(enrolPrincipal, principal)],
  subscribe: [inboxOf(principal)],
});

/** Somebody who has a proof of identity and no key yet: learns what to seal to, and asks. @param asker `sessionAskerOf` its nkey */
export const sessionPermissions = (asker: string): SubjectPermissions => ({
  publish: [rpcSubject(describeChannel.policy, asker), rpcSubject(openSession, asker)],
  subscribe: [inboxOf(asker)],
});

/** Subjects that the account SIEM may use of MESH's JetStream: pull and acknowledge its one durable consumer. */
export const SIEM_SERVICES = consumersOf('siem').flatMap(consumerSubjects);
/** What the account SIEM hears live. */
export const SIEM_STREAMS = [subjects.auditAll, subjects.alertAll] as const;

/** A principal with the role `siem`, in the account SIEM: reads the feed, asks for nothing else. */
export const siemPermissions = (principal: string): SubjectPermissions => ({
  publish: SIEM_SERVICES,
  subscribe: [inboxOf(principal), ...SIEM_STREAMS],
});
