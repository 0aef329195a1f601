import {
  concat,
  fromUtf8,
  signFor,
  systemClock,
  utf8,
  verifyFor,
  type Clock,
  type KeymeshError,
  type SigningKey,
} from '@keymesh/kernel';
import { failure, policyBundle, type PolicyBundle, type TrustRoot } from '@keymesh/contracts';
import type { Directory } from './directory.js';
import { foldStatements } from './fold-statements.js';
import { canonicalBytes } from './statements.js';

// Frozen: "KMB1", 64 bytes of Ed25519 signature over the rest, RFC 8785 JSON of the bundle.
const MAGIC = utf8('KMB1');
const SIGNATURE_BYTES = 64;
const PURPOSE = 'keymesh/v1/bundle';

/** A bundle whose signature and statements hold. */
export interface OpenedBundle {
  readonly bundle: PolicyBundle;
  readonly directory: Directory;
}

/**
 * Signs a bundle with the policy service's bundle key. Deterministic.
 * @returns bytes for the KV bucket (uncompressed).
 */
export function signBundle(bundle: PolicyBundle, bundleKey: SigningKey): Uint8Array {
  const payload = canonicalBytes(policyBundle.parse(bundle));
  return concat(MAGIC, signFor(PURPOSE, payload, bundleKey), payload);
}

/**
 * Opens a bundle: the bundle key's signature, the mesh, then every statement by folding from the trust root.
 * The bundle key can only take away: grants come from operators' statements alone, `makePolicyEngine` takes no permit from a bundle, and
 * its sessions count only as far as operators' identity rules carry them.
 * @param previous the directory of the bundle before: where the new statements begin with its statements, only the rest
 *   is verified (149 µs a signature).
 * @throws POLICY_UNAVAILABLE for bytes that are no bundle of this mesh; STATEMENT_REJECTED for a statement that does not hold.
 *   The caller keeps the bundle that it has.
 */
export function openBundle(
  bytes: Uint8Array,
  trustRoot: TrustRoot,
  { clock = systemClock, previous }: { clock?: Clock; previous?: Directory | undefined } = {},
): OpenedBundle {
  const bundle = readBundle(bytes, trustRoot);
  const known =
    previous !== undefined && startsWith(bundle.statements, previous.statements) ? previous : undefined;
  const directory =
    known === undefined
      ? foldStatements(trustRoot, bundle.statements, { clock })
      : known.extend(bundle.statements.slice(known.statements.length));
  return { bundle, directory: withWhatItSays(directory, bundle) };
}

const withWhatItSays = (
  directory: Directory,
  { taken, kills = [], approvals = [], sessions = [] }: PolicyBundle,
): Directory => directory.withTaken(taken).withKills(kills).withApprovals(approvals).withSessions(sessions);

/** Checks a bundle's signature but not its statements: for whoever only compares versions. @throws POLICY_UNAVAILABLE */
export function readBundle(bytes: Uint8Array, trustRoot: TrustRoot): PolicyBundle {
  const start = MAGIC.length + SIGNATURE_BYTES;
  if (Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC) !== 0) throw unusable('is not a bundle');
  const payload = bytes.subarray(start);
  // INVARIANT: nothing is parsed that the bundle key has not signed.
  if (!verifyFor(PURPOSE, payload, bytes.subarray(MAGIC.length, start), trustRoot.bundlePublicKey))
    throw unusable('is not signed by the bundle key');
  const parsed = policyBundle.safeParse(parseJson(payload));
  if (!parsed.success) throw unusable('is not of the shape of a bundle');
  if (parsed.data.meshId !== trustRoot.meshId) throw unusable('is of another mesh');
  return parsed.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}

/**
 * Whether a bundle goes on from what was accepted before: the same statements in the same order, and perhaps more; and the same kill switches,
 * but for those that an operator lifted.
 * INVARIANT: whoever holds the bundle key can leave nothing out towards a reader that saw it once.
 */
export const followsOn = (
  next: Pick<Directory, 'statements' | 'kills' | 'liftingOf'>,
  accepted: Pick<Directory, 'statements' | 'kills'>,
): boolean =>
  startsWith(next.statements, accepted.statements) &&
  accepted.kills.every(
    ({ killId, scope, name }) =>
      next.liftingOf(killId) !== undefined ||
      next.kills.some((kill) => kill.killId === killId && kill.scope === scope && kill.name === name),
  );

const startsWith = (texts: readonly string[], prefix: readonly string[]): boolean =>
  prefix.length <= texts.length && prefix.every((text, index) => texts[index] === text);

const unusable = (because: string): KeymeshError =>
  failure('POLICY_UNAVAILABLE', { details: { because: `the bundle ${because}` } });
