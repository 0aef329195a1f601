import { failure } from '@keymesh/contracts';
import { notWrappedHere } from './kms-failures.js';
import type { Kms } from './kms.js';
import { readEnvelope, type WrapMode } from './root-envelope.js';
import { firstThatOpens, isByAll, unwrapByAll, unwrapByAny, wrapByAll } from './root-members.js';

export interface RootKmsOptions {
  readonly mode: WrapMode;
  /** One or more, in the order in which they are asked. */
  readonly members: readonly Kms[];
  /** all-of: refuse what fewer than all members wrapped. Absent: it opens, so that a change of configuration can be followed by a rewrap. */
  readonly strict?: boolean;
}

/** The root as the vault uses it. */
export interface RootKms extends Kms {
  /**
   * Whether a key is wrapped as configured now: in this mode, by each of these KMS and its present key. If not, a rewrap makes it so; until then a member that was
   * added later does not open it. Reads the envelope and asks nobody.
   */
  readonly isCurrent: (wrapped: Uint8Array) => boolean;
}

/**
 * The root of all keys, kept by one or several KMS (ADR 0007). A wrapping key made for each wrap seals the key; the members wrap that, whole
 * (`any-of`) or each its part (`all-of`). The box commits to the wrapping key and authenticates context and envelope, whatever the members
 * do: a KMS that gives another key than it was given is noticed here, and so is a damaged spare.
 * `mode` says how new keys are wrapped. What another configuration wrapped opens as long as enough of its KMS are members.
 */
export function makeRootKms(options: RootKmsOptions): RootKms {
  const { mode, members, strict = false } = options;
  const [only] = members;
  if (only === undefined)
    throw failure('CONFIG_INVALID', { publicMessage: 'A root needs at least one KMS.' });
  const alone = members.length === 1;
  return {
    provider: alone ? only.provider : mode,
    keyId: alone ? only.keyId : members.map(({ provider, keyId }) => `${provider}:${keyId}`).join(' '),
    wrapKey: (plain, context) => wrapByAll(mode, members, plain, context),
    async unwrapKey(wrapped, context) {
      const envelope = readEnvelope(wrapped);
      if (strict && mode === 'all-of' && !(envelope?.mode === mode && isByAll(envelope, members)))
        throw notWrappedHere();
      if (envelope === undefined)
        return firstThatOpens(members.map((kms) => ({ kms, open: () => kms.unwrapKey(wrapped, context) })));
      return envelope.mode === 'any-of'
        ? unwrapByAny(envelope, members, context)
        : unwrapByAll(envelope, members, context);
    },
    isCurrent: (wrapped) => isWrappedBy(mode, members, wrapped),
    dispose() {
      for (const kms of members) kms.dispose?.();
    },
  };
}

/** What is damaged is not current either. */
function isWrappedBy(mode: WrapMode, members: readonly Kms[], wrapped: Uint8Array): boolean {
  try {
    const envelope = readEnvelope(wrapped);
    const isBy = ({ provider, keyId }: Kms): boolean =>
      envelope?.entries.some((entry) => entry.provider === provider && entry.keyId === keyId) === true;
    return envelope?.mode === mode && envelope.entries.length === members.length && members.every(isBy);
  } catch {
    return false;
  }
}
