import {
  joinKey,
  makeWrappingKey,
  openUnderWrappingKey,
  sealUnderWrappingKey,
  splitKey,
} from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { concat, KeymeshError, Secret } from '@keymesh/kernel';
import { textOfContext } from './bound-context.js';
import { notWrappedHere } from './kms-failures.js';
import type { Kms, WrapContext } from './kms.js';
import { encodeHeader, type RootEnvelope, type WrapEntry, type WrapMode } from './root-envelope.js';

// How the members of a root wrap one key together, and open it again.

/** INVARIANT: every member has wrapped before anything is returned: an acknowledged key must outlive the loss of any one of an any-of. */
export async function wrapByAll(
  mode: WrapMode,
  members: readonly Kms[],
  plain: Secret,
  context: WrapContext,
): Promise<Uint8Array> {
  using wrappingKey = makeWrappingKey();
  const parts = mode === 'all-of' ? splitKey(wrappingKey, members.length) : members.map(() => wrappingKey);
  const wrapped = await Promise.allSettled(
    members.map((kms, at) => kms.wrapKey(parts[at] ?? wrappingKey, partContext(mode, context))),
  );
  if (mode === 'all-of') for (const part of parts) part.dispose();
  const failed = wrapped.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const entries = wrapped.flatMap((one, at): WrapEntry[] => {
    const kms = members[at];
    return one.status === 'fulfilled' && kms !== undefined
      ? [{ provider: kms.provider, keyId: kms.keyId, wrapped: one.value }]
      : [];
  });
  const header = encodeHeader(mode, entries);
  return concat(
    header,
    sealUnderWrappingKey({ wrappingKey, header, context: textOfContext(context), key: plain }),
  );
}

export function unwrapByAny(
  envelope: RootEnvelope,
  members: readonly Kms[],
  context: WrapContext,
): Promise<Secret> {
  const candidates = members.flatMap((kms) =>
    entriesOf(envelope, kms).map((entry): Candidate => ({
      kms,
      async open() {
        using wrappingKey = await kms.unwrapKey(entry.wrapped, partContext('any-of', context));
        return openEnvelope(envelope, wrappingKey, context);
      },
    })),
  );
  if (candidates.length === 0) throw notAMember(envelope.entries);
  return firstThatOpens(candidates);
}

export async function unwrapByAll(
  envelope: RootEnvelope,
  members: readonly Kms[],
  context: WrapContext,
): Promise<Secret> {
  const holders = envelope.entries.map((entry) => ({ entry, kms: holderOf(entry, members) }));
  const missing = holders.filter(({ kms }) => kms === undefined).map(({ entry }) => entry);
  if (missing.length > 0) throw notAMember(missing);
  const parts = await Promise.allSettled(
    holders.map(async ({ entry, kms }) => {
      if (kms === undefined) throw notAMember([entry]);
      return kms.unwrapKey(entry.wrapped, partContext('all-of', context));
    }),
  );
  const opened = parts.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : []));
  try {
    const failures = parts.flatMap((part) => (part.status === 'rejected' ? [part.reason as unknown] : []));
    if (failures.length > 0) throw mostTelling(failures);
    using wrappingKey = joinKey(opened);
    return openEnvelope(envelope, wrappingKey, context);
  } finally {
    for (const part of opened) part.dispose();
  }
}

/** A KMS and what it would have to do. */
interface Candidate {
  readonly kms: Kms;
  readonly open: () => Promise<Secret>;
}

/**
 * Asks one after the other. A member that has it wrong is no reason to give up: another may have it right.
 * @throws of those that failed, what says most: bad shares before an outage, an outage before damage.
 */
export async function firstThatOpens(candidates: readonly Candidate[]): Promise<Secret> {
  const able = candidates.filter(({ kms }) => kms.wrapsOnly !== true);
  const failures: unknown[] = [];
  for (const { open } of able.length === 0 ? candidates : able) {
    try {
      return await open();
    } catch (error) {
      failures.push(error);
    }
  }
  throw mostTelling(failures);
}

const openEnvelope = ({ header, box }: RootEnvelope, wrappingKey: Secret, context: WrapContext): Secret =>
  openUnderWrappingKey({ wrappingKey, header, context: textOfContext(context), box });

/** What a member wraps is never a key itself: it does not unwrap as one, nor a part as a whole. */
const partContext = (mode: WrapMode, context: WrapContext): WrapContext => ({ ...context, wraps: mode });

/** The entries that this KMS may have made, its present key's first. An alias or a new key of the provider may have another id. */
const entriesOf = ({ entries }: RootEnvelope, { provider, keyId }: Kms): WrapEntry[] =>
  entries
    .filter((entry) => entry.provider === provider)
    .sort((one, other) => Number(other.keyId === keyId) - Number(one.keyId === keyId));

const holderOf = (entry: WrapEntry, members: readonly Kms[]): Kms | undefined =>
  members.find(({ provider, keyId }) => provider === entry.provider && keyId === entry.keyId) ??
  members.find(({ provider }) => provider === entry.provider);

const notAMember = (entries: readonly WrapEntry[]): KeymeshError =>
  failure('KMS_UNAVAILABLE', {
    publicMessage: `A key is wrapped by ${entries.map(({ provider }) => provider).join(', ')}, which is not configured. Add it to KEYMESH_KMS_MEMBERS.`,
    details: { error: 'not a member' },
  });

function mostTelling(failures: readonly unknown[]): unknown {
  const codes = ['RECOVERY_SHARES_INVALID', 'CONFIG_INVALID', 'KMS_UNAVAILABLE'];
  const byCode = (code: string) => failures.find((error) => KeymeshError.is(error) && error.code === code);
  const unexpected = failures.find((error) => !KeymeshError.is(error));
  return unexpected ?? codes.map(byCode).find((error) => error !== undefined) ?? notWrappedHere();
}

export const isByAll = (envelope: RootEnvelope, members: readonly Kms[]): boolean =>
  members.every((kms) => entriesOf(envelope, kms).length > 0);
