import { createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { Secret, concat, fromBase64Url, toBase64Url, utf8, type KeymeshError } from '@keymesh/kernel';
import { clientPrincipalName, failure } from '@keymesh/contracts';

// kmt1.<principal>.<base64url(32 bytes seed, 32 bytes SHA-256 of the mesh's public key)>
const PREFIX = 'kmt1';
const SEED_BYTES = 32;

/** The two keys of a token, as raw 32-byte Ed25519 seeds. The holder disposes them. */
export interface EnrolmentSeeds {
  /** Raw seed of the nkey that connects (the broker chooses what it signs, so it proves nothing else). */
  readonly connectSeed: Secret<'enrolment-connect-seed'>;
  /** Raw seed of the key that signs `enrolment.completed`. */
  readonly signSeed: Secret<'enrolment-sign-seed'>;
}

export interface EnrolmentToken extends EnrolmentSeeds {
  readonly principal: string;
  /** SHA-256 of the mesh's raw public key: what the enrolled client pins. */
  readonly meshKeyHash: Uint8Array;
}

/**
 * Makes a token for one enrolment. Random.
 * @returns its text as a secret (shown once to the operator) and the seeds whose public halves the operator signs.
 */
export function makeEnrolmentToken(of: { principal: string; meshPublicKey: string }): EnrolmentSeeds & {
  readonly token: Secret<'enrolment-token'>;
} {
  const seed = new Secret(new Uint8Array(randomBytes(SEED_BYTES)), 'enrolment-seed');
  try {
    // EXPOSE: the token is this seed; it goes into the secret that the operator hands over.
    const body = concat(seed.expose(), hashOfMeshKey(of.meshPublicKey));
    const token = Secret.fromText([PREFIX, of.principal, toBase64Url(body)].join('.'), 'enrolment-token');
    body.fill(0);
    return { token, ...deriveSeeds(seed) };
  } finally {
    seed.dispose();
  }
}

/** Reads a token's text (spaces around it are allowed). @throws ENROLMENT_REJECTED when it is not a token. */
export function readEnrolmentToken(text: string): EnrolmentToken {
  const [prefix, principal = '', bodyText = '', ...rest] = text.trim().split('.');
  const body = fromBase64Url(bodyText);
  const named = clientPrincipalName.safeParse(principal).success;
  if (prefix !== PREFIX || !named || rest.length > 0 || body?.length !== SEED_BYTES + 32)
    throw notAToken('This is not an enrolment token. It begins with kmt1.');
  const seed = new Secret(body.slice(0, SEED_BYTES), 'enrolment-seed');
  const meshKeyHash = body.slice(SEED_BYTES);
  body.fill(0);
  try {
    return { principal, meshKeyHash, ...deriveSeeds(seed) };
  } finally {
    seed.dispose();
  }
}

/** Whether a mesh's public key is the one that the token's maker meant. */
export const isMeshKeyOfToken = (
  token: Pick<EnrolmentToken, 'meshKeyHash'>,
  meshPublicKey: string,
): boolean => {
  const raw = fromBase64Url(meshPublicKey);
  return raw?.length === 32 && timingSafeEqual(hashOfMeshKey(meshPublicKey), token.meshKeyHash);
};

function hashOfMeshKey(meshPublicKey: string): Uint8Array {
  const raw = fromBase64Url(meshPublicKey);
  if (raw?.length !== 32) throw notAToken("The mesh's public key is not 32 bytes in base64url.");
  return new Uint8Array(createHash('sha256').update(raw).digest());
}

// SOURCE: RFC 5869. Two purposes, two keys: a signature that the broker asked for is worth nothing as a statement.
function deriveSeeds(seed: Secret): EnrolmentSeeds {
  const derive = (info: string): Uint8Array =>
    // EXPOSE: HKDF needs the bytes; the derived keys stay in secrets.
    new Uint8Array(hkdfSync('sha256', seed.expose(), new Uint8Array(), utf8(info), 32));
  return {
    connectSeed: new Secret(derive('keymesh/v1/enrol/connect'), 'enrolment-connect-seed'),
    signSeed: new Secret(derive('keymesh/v1/enrol/sign'), 'enrolment-sign-seed'),
  };
}

const notAToken = (publicMessage: string): KeymeshError => failure('ENROLMENT_REJECTED', { publicMessage });
