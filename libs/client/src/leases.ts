import {
  issueLease,
  leaseRevokedPush,
  listLeases,
  PRIMARY_PARTS,
  renewLease,
  revokeLease,
  revokeLeases,
  subjects,
  type CredentialType,
  type LeaseMetadata,
  type ReplyOf,
  type RequestInput,
} from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { Caller, MeshConnection } from '@keymesh/mesh';
import type { CallOptions } from './credentials.js';

/** What was issued, and its lease. Prints redacted everywhere; `using` (or `dispose()`) wipes it. */
export class IssuedLease implements Disposable {
  readonly lease: LeaseMetadata;
  readonly type: CredentialType;
  readonly values: Readonly<Record<string, Secret>>;

  constructor({ lease, type, values }: ReplyOf<typeof issueLease>) {
    this.lease = lease;
    this.type = type;
    this.values = values;
  }

  /** The token, or the part that is meant by "the value". */
  get value(): Secret {
    const part = this.lease.kind === 'token' ? this.values.token : this.values[PRIMARY_PARTS[this.type]];
    if (part === undefined) throw new Error('a lease without a value');
    return part;
  }

  /** Zeroes every part. The lease itself goes on until it is revoked or expires. */
  [Symbol.dispose](): void {
    for (const secret of Object.values(this.values)) secret.dispose();
  }
}

type Times = Pick<RequestInput<typeof issueLease>, 'ttlSeconds' | 'audience' | 'purpose'>;

/** Leases as one principal may use them. Every method throws KeymeshError with a code of docs/reference/errors.md. */
export interface Leases {
  /** Issues a value, or for a `jwt_signing_key` a signed token, for a time. @throws LEASE_LIMIT_REACHED, CREDENTIAL_NOT_FOUND, … */
  issue(name: string, options?: CallOptions & Times): Promise<IssuedLease>;
  /** @throws LEASE_NOT_FOUND, LEASE_EXPIRED */
  renew(leaseId: string, options?: CallOptions & Times): Promise<ReplyOf<typeof renewLease>>;
  revoke(leaseId: string, options?: CallOptions): Promise<LeaseMetadata>;
  /** All live leases of a principal or credential. @returns how many. */
  revokeAll(
    whose: { readonly principal: string } | { readonly name: string },
    options?: CallOptions,
  ): Promise<number>;
  /** One's own, or those of others (`principal`, `*` for everybody), newest first; asks page after page. */
  list(
    filter?: Omit<RequestInput<typeof listLeases>, 'pageToken'>,
    options?: CallOptions,
  ): Promise<LeaseMetadata[]>;
  /** Calls back when a lease of one's own was revoked. A hint (the broker may drop it): a renewal is what tells for certain. @returns what ends it. */
  onRevoked(callback: (leaseId: string) => void): () => void;
}

/** The lease operations over one connection. */
export function makeLeases(connection: MeshConnection, caller: Caller): Leases {
  return {
    issue: async (name, { ttlSeconds, audience, purpose, ...options } = {}) =>
      new IssuedLease(
        await caller.call(issueLease, { name, ...given({ ttlSeconds, audience, purpose }) }, options),
      ),
    renew: (leaseId, { ttlSeconds, audience, purpose, ...options } = {}) =>
      caller.call(renewLease, { leaseId, ...given({ ttlSeconds, audience, purpose }) }, options),
    revoke: async (leaseId, options) => (await caller.call(revokeLease, { leaseId }, options)).lease,
    revokeAll: async (whose, options) => (await caller.call(revokeLeases, whose, options)).revoked,
    list: async (filter = {}, options) => {
      const all: LeaseMetadata[] = [];
      let pageToken: string | null = null;
      do {
        const page: ReplyOf<typeof listLeases> = await caller.call(
          listLeases,
          { ...filter, ...given({ pageToken: pageToken ?? undefined }) },
          options,
        );
        all.push(...page.leases);
        pageToken = page.nextPageToken;
      } while (pageToken !== null);
      return all;
    },
    onRevoked(callback) {
      const subscription = connection.nats.subscribe(
        subjects.push(connection.principal, 'lease', 'revoked'),
        {
          callback: (error, message) => {
            const push = error === null ? leaseRevokedPush.safeParse(parsed(message.data)) : undefined;
            if (push?.success === true) callback(push.data.leaseId);
          },
        },
      );
      return () => subscription.unsubscribe();
    },
  };
}

/** Only what was given: contracts know no `undefined`. */
const given = <T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined; // not one of the mesh's pushes
  }
}
