import type { SigningKey } from '@keymesh/kernel';
import { approval as approvalSchema, type Approval } from '@keymesh/contracts';
import { isCanonical, isSigned, parseJson, splitSignedText, writeSignedText } from './signed-text.js';
import { rejected } from './statements.js';

const PURPOSE = 'keymesh/v1/approval';

/** More than an honest bundle has: whoever made a dishonest one keeps its readers busy for a moment, not for minutes. */
const MAX_HELD = 1_000;

/** An approval whose signature holds. Whether it counts depends on who approves, when, and what is asked. */
export interface HeldApproval {
  readonly approval: Approval;
  /** Public key (32 bytes, base64url) that signed it. */
  readonly signer: string;
  readonly text: string;
}

/**
 * Signs an approval with the approver's channel key. Deterministic.
 * @throws STATEMENT_REJECTED unless it is of the schema.
 */
export function signApproval(approval: Approval, key: SigningKey): string {
  const parsed = approvalSchema.safeParse(approval);
  if (!parsed.success) throw rejected('it is not of the shape of an approval');
  return writeSignedText(PURPOSE, parsed.data, key);
}

/** @throws STATEMENT_REJECTED for anything else than canonical JSON of the schema with a good signature by the key it names. */
export function readApproval(text: string): HeldApproval {
  const signed = splitSignedText(text);
  const parsed = approvalSchema.safeParse(signed === undefined ? undefined : parseJson(signed.payload));
  if (signed === undefined || !parsed.success) throw rejected('it is not of the shape of an approval');
  if (!isCanonical(parsed.data, signed.payload)) throw rejected('its JSON is not in canonical form');
  if (!isSigned(PURPOSE, signed)) throw rejected('its signature does not hold');
  return { approval: parsed.data, signer: signed.signer, text };
}

/**
 * Which of a bundle's approvals could ever count. What does not hold is dropped, and the rest stands: an approval only gives.
 * @param known verified before: a signature costs 149 µs.
 */
export function holdApprovals(
  texts: readonly string[],
  meshId: string,
  known: readonly HeldApproval[] = [],
): readonly HeldApproval[] {
  const verified = new Map(known.map((held) => [held.text, held]));
  return texts.slice(0, MAX_HELD).flatMap((text) => {
    const held = verified.get(text) ?? tryRead(text);
    return held?.approval.meshId === meshId ? [held] : [];
  });
}

function tryRead(text: string): HeldApproval | undefined {
  try {
    return readApproval(text);
  } catch {
    return undefined;
  }
}
