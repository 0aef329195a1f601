import { riskScores, type RiskScores } from '@keymesh/contracts';
import { concat, fromUtf8, signFor, utf8, verifyFor, type SigningKey } from '@keymesh/kernel';

const PURPOSE = 'keymesh/v1/risk-scores';
const SIGNATURE_BYTES = 64;

/** @returns 64 bytes of Ed25519 signature by the detector's channel key, then JSON. */
export function encodeRiskScores(scores: RiskScores, key: SigningKey): Uint8Array {
  const bytes = utf8(JSON.stringify(scores));
  return concat(signFor(PURPOSE, bytes, key), bytes);
}

/**
 * @param keys public keys of the detector's principal, as the directory has them now.
 * @returns undefined unless the detector of this mesh said it. Never throws: the bytes may be anybody's.
 */
export function decodeRiskScores(
  data: Uint8Array,
  meshId: string,
  keys: readonly string[],
): RiskScores | undefined {
  const [signature, bytes] = [data.subarray(0, SIGNATURE_BYTES), data.subarray(SIGNATURE_BYTES)];
  // INVARIANT: nothing is parsed that the detector has not signed.
  if (!keys.some((key) => verifyFor(PURPOSE, bytes, signature, key))) return undefined;
  const said = riskScores.safeParse(parsed(bytes)).data;
  return said?.meshId === meshId ? said : undefined;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
