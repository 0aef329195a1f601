import { createHash, timingSafeEqual } from 'node:crypto';
import { failure } from '@keymesh/contracts';
import { concat, lengthPrefixed, Secret, toHex, type KeymeshError } from '@keymesh/kernel';
import { combine, split } from 'shamir-secret-sharing';
import { publicHalfOf, recoveryKeyId } from './recovery-key.js';
import { decodeText, encodeText } from './text-form.js';

// A share: u8 version = 1 ‖ recovery key id (16) ‖ u8 index ‖ u8 shares ‖ u8 threshold ‖ commitment (32) ‖ Shamir share (32 + x coordinate).
// The library gives a wrong key, without a word, for too few or altered shares: the commitment and the key's own public half say so here.
const VERSION = 1;
const PREFIX = 'keymesh-share';
const KEY_BYTES = 32;
const BODY_BYTES = KEY_BYTES + 1;
const COMMITMENT_AT = 20;
const BODY_AT = COMMITMENT_AT + 32;
const PAYLOAD_BYTES = BODY_AT + BODY_BYTES;
const MIN_THRESHOLD = 2;
const MAX_SHARES = 32;

/** One person's part of a recovery key. */
export interface RecoveryShare {
  /** Of the recovery key: hex. */
  readonly keyId: string;
  /** From 1 to `shares`. */
  readonly index: number;
  readonly shares: number;
  /** How many open the key. */
  readonly threshold: number;
  /** To the private key: equal in all its shares. */
  readonly commitment: Uint8Array;
  /** Useless alone, and still a secret. */
  readonly body: Secret<'recovery-share'>;
}

/**
 * Splits a recovery private key. SOURCE: Shamir, How to share a secret (1979), over GF(256), by the library.
 * @param privateKey 32 bytes; the caller keeps ownership. @param threshold 2 to `shares`, which is at most 32.
 * @returns one line of ASCII for each share, without a line end; the caller disposes them. @throws USAGE for other numbers.
 */
export async function splitRecoveryKey(
  privateKey: Secret,
  { shares, threshold }: { readonly shares: number; readonly threshold: number },
): Promise<Secret<'recovery-share-text'>[]> {
  if (!isSplit(shares, threshold))
    throw failure('USAGE', {
      publicMessage: `Shares are 2 to ${MAX_SHARES}, and the threshold 2 to as many as there are shares.`,
    });
  const publicKey = publicHalfOf(privateKey);
  const commitment = commitmentOf(privateKey, publicKey, shares, threshold);
  // EXPOSE: the library splits raw bytes; what it gives is copied into Secrets and zeroed.
  const bodies = await split(privateKey.expose(), shares, threshold);
  return bodies.map((body, at) => {
    const head = concat(Uint8Array.of(VERSION), Buffer.from(recoveryKeyId(publicKey), 'hex'));
    const payload = concat(head, Uint8Array.of(at + 1, shares, threshold), commitment, body);
    body.fill(0);
    const text = encodeText(PREFIX, payload);
    payload.fill(0);
    return new Secret(text, 'recovery-share-text');
  });
}

/** @param text as a person stored or typed it; the caller keeps ownership. @throws RECOVERY_SHARES_INVALID */
export function readShare(text: Secret): RecoveryShare {
  // EXPOSE: decoded into a Secret of its own.
  const payload = decodeText(PREFIX, text.expose(), PAYLOAD_BYTES);
  if (payload?.[0] !== VERSION)
    throw invalid(
      'A share is damaged or mistyped: its checksum does not hold. Compare it with the original.',
    );
  const [index = 0, shares = 0, threshold = 0] = payload.subarray(17, COMMITMENT_AT);
  const share = {
    keyId: toHex(payload.subarray(1, 17)),
    index,
    shares,
    threshold,
    commitment: payload.slice(COMMITMENT_AT, BODY_AT),
    body: new Secret(payload.slice(BODY_AT), 'recovery-share'),
  };
  payload.fill(0);
  if (isSplit(shares, threshold) && index >= 1 && index <= shares) return share;
  share.body.dispose();
  throw invalid('A share says numbers that cannot be. It was not made by Keymesh.');
}

/**
 * Whether these shares belong together and are enough; says nothing yet of whether they are right.
 * @param keyId of the recovery key that is wanted; absent: whichever they are of.
 * @throws RECOVERY_SHARES_INVALID with a sentence that says which rule is broken.
 */
export function checkShares(shares: readonly RecoveryShare[], keyId?: string): void {
  const [first] = shares;
  if (first === undefined) throw invalid('There is no share. Give as many as the threshold says.');
  const wanted = keyId ?? first.keyId;
  for (const share of shares) {
    if (share.keyId !== wanted) throw invalid(`Share ${share.index} is of another recovery key.`);
    if (!isOfOneSplit(share, first))
      throw invalid(`Share ${share.index} is of another split of this recovery key.`);
  }
  const repeated = shares.find(
    (share, at) =>
      shares.findIndex((other) => other.index === share.index || isSamePoint(other, share)) !== at,
  );
  if (repeated !== undefined) throw invalid(`Share ${repeated.index} is given twice. Each counts once.`);
  if (shares.length < first.threshold)
    throw invalid(`${shares.length} of ${first.threshold} needed shares are here. Bring the others.`);
}

/**
 * Puts the private key together again.
 * @param shares at least the threshold, each once; the caller keeps ownership.
 * @returns the private key, which the caller disposes; never a wrong one.
 * @throws RECOVERY_SHARES_INVALID
 */
export async function joinShares(
  shares: readonly RecoveryShare[],
  keyId?: string,
): Promise<Secret<'recovery-private-key'>> {
  checkShares(shares, keyId);
  const [first] = shares;
  // EXPOSE: the library joins raw bytes.
  const joined = await combine(shares.map(({ body }) => body.expose())).catch(() => undefined);
  const key = new Secret(joined ?? new Uint8Array(), 'recovery-private-key');
  if (first !== undefined && key.sizeBytes === KEY_BYTES && isCommitted(key, first)) return key;
  key.dispose();
  throw invalid('The shares do not give the recovery key: at least one of them was altered. Try others.');
}

function isCommitted(key: Secret, { keyId, shares, threshold, commitment }: RecoveryShare): boolean {
  const publicKey = publicHalfOf(key);
  const itsId = Buffer.from(recoveryKeyId(publicKey), 'hex');
  const itsCommitment = commitmentOf(key, publicKey, shares, threshold);
  // Both are always computed and compared in constant time.
  const sameId = timingSafeEqual(itsId, Buffer.from(keyId, 'hex'));
  return timingSafeEqual(itsCommitment, commitment) && sameId;
}

function commitmentOf(key: Secret, publicKey: Uint8Array, shares: number, threshold: number): Uint8Array {
  const split = Uint8Array.of(shares, threshold);
  // EXPOSE: hashed with its public half; the copy is zeroed.
  const message = lengthPrefixed('keymesh/v1/recovery-commitment', publicKey, split, key.expose());
  const digest = createHash('sha256').update(message).digest();
  message.fill(0);
  return new Uint8Array(digest);
}

const isSplit = (shares: number, threshold: number): boolean =>
  Number.isInteger(shares) &&
  Number.isInteger(threshold) &&
  shares <= MAX_SHARES &&
  threshold >= MIN_THRESHOLD &&
  threshold <= shares;

const isOfOneSplit = (one: RecoveryShare, other: RecoveryShare): boolean =>
  one.shares === other.shares &&
  one.threshold === other.threshold &&
  timingSafeEqual(one.commitment, other.commitment);

/** Two shares at one x coordinate (their last byte): one point, whatever index they say. */
const isSamePoint = (one: RecoveryShare, other: RecoveryShare): boolean =>
  // EXPOSE: the x coordinate is not secret.
  one.body.expose().at(-1) === other.body.expose().at(-1);

const invalid = (publicMessage: string): KeymeshError =>
  failure('RECOVERY_SHARES_INVALID', { publicMessage });
