import { createHash } from 'node:crypto';
import {
  concat,
  fromBase64Url,
  lengthPrefixed,
  signTextFor,
  toBase64Url,
  verifyFor,
  type SigningKey,
} from '@keymesh/kernel';
import { LRUCache } from 'lru-cache';

/**
 * One signature for all events that are published together: it covers the root of a Merkle tree over them, and each event carries the
 * path from its own leaf to that root. So a batch costs its producer and each consumer one Ed25519 operation, and every event
 * can still be checked alone. SOURCE: the tree's hashing is that of RFC 6962 section 2.1.
 */
export interface EventToSign {
  readonly subject: string;
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** An event with its header `Keymesh-Signature`. */
export interface SignedEvent extends EventToSign {
  readonly signature: string;
}

const HASH_BYTES = 32;
const MAX_DEPTH = 16;
const VERIFIED_ROOTS = 512;
const HEADER = /^([A-Za-z0-9_-]{86})\.(\d{1,5})\.([A-Za-z0-9_-]*)$/;

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
const LEAF = Uint8Array.of(0x00);
const NODE = Uint8Array.of(0x01);
const leafOf = ({ subject, id, bytes }: EventToSign): Uint8Array =>
  sha256(LEAF, lengthPrefixed(subject, id, bytes));

/**
 * Signs events that go out together.
 * @param events 1 to 65,536.
 * @returns the header of each: signature, position bits and path, joined by dots; path hashes from the leaf upwards.
 */
export function signEvents(events: readonly EventToSign[], key: SigningKey): string[] {
  const paths: Uint8Array[][] = events.map(() => []);
  const sides: number[] = events.map(() => 0);
  let level = events.map((event, at) => ({ hash: leafOf(event), members: [at] }));
  while (level.length > 1) {
    const above: typeof level = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at], level[at + 1]];
      if (left === undefined) continue;
      if (right === undefined)
        above.push(left); // an odd last node goes up as it is
      else {
        for (const member of left.members) paths[member]?.push(right.hash);
        for (const member of right.members) {
          sides[member] = (sides[member] ?? 0) | (1 << (paths[member]?.length ?? 0));
          paths[member]?.push(left.hash);
        }
        above.push({
          hash: sha256(NODE, left.hash, right.hash),
          members: [...left.members, ...right.members],
        });
      }
    }
    level = above;
  }
  const signature = signTextFor('keymesh/v1/event', level[0]?.hash ?? new Uint8Array(), key);
  return events.map(
    (_, at) => `${signature}.${String(sides[at])}.${toBase64Url(concat(...(paths[at] ?? [])))}`,
  );
}

// Which key made which root's signature. INVARIANT: only signatures that held are in it, so a hit is as good as checking again.
const verifiedRoots = new LRUCache<string, string>({ max: VERIFIED_ROOTS });

/**
 * Whether an event was signed by one of these keys (32 bytes base64url). Never throws: the header may be anybody's.
 */
export function isEventSignedBy(publicKeys: readonly string[], event: SignedEvent): boolean {
  const [, signatureText = '', sidesText = '', pathText = ''] = HEADER.exec(event.signature) ?? [];
  const signature = fromBase64Url(signatureText);
  const path = fromBase64Url(pathText);
  if (signature === undefined || path === undefined || path.length % HASH_BYTES !== 0) return false;
  const depth = path.length / HASH_BYTES;
  const sides = Number(sidesText);
  if (depth > MAX_DEPTH || sides >= 2 ** depth) return false;
  let root = leafOf(event);
  for (let at = 0; at < depth; at += 1) {
    const sibling = path.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
    root = (sides >> at) & 1 ? sha256(NODE, sibling, root) : sha256(NODE, root, sibling);
  }
  const known = `${signatureText}.${toBase64Url(root)}`;
  const signer = verifiedRoots.get(known);
  if (signer !== undefined && publicKeys.includes(signer)) return true;
  const verified = publicKeys.find((publicKey) => verifyFor('keymesh/v1/event', root, signature, publicKey));
  if (verified !== undefined) verifiedRoots.set(known, verified);
  return verified !== undefined;
}
