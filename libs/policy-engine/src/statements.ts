import { type KeymeshError, type SignaturePurpose, type SigningKey } from '@keymesh/kernel';
import { failure, statement as statementSchema, type Statement } from '@keymesh/contracts';
import { isCanonical, isSigned, parseJson, splitSignedText, writeSignedText } from './signed-text.js';

export { canonicalBytes } from './signed-text.js';

/** A statement whose signature holds. Whether its signer may say it is decided by folding. */
export interface SignedStatement {
  readonly statement: Statement;
  /** Public key (32 bytes, base64url) that signed it. */
  readonly signer: string;
}

/** @returns STATEMENT_REJECTED with a sentence for the person who asked. */
export const rejected = (because: string, details: Readonly<Record<string, unknown>> = {}): KeymeshError =>
  failure('STATEMENT_REJECTED', { publicMessage: `The signed statement is refused: ${because}.`, details });

// INVARIANT: a token's signature is never good as an operator's, nor the other way round.
const purposeOf = (type: Statement['type']): SignaturePurpose =>
  type === 'enrolment.completed' ? 'keymesh/v1/enrolment' : 'keymesh/v1/statement';

/**
 * Signs a statement. Deterministic.
 * @returns `base64url(signer public key).base64url(RFC 8785 JSON).base64url(signature)`.
 * @throws STATEMENT_REJECTED unless it is of the statement schema.
 */
export function signStatement(statement: Statement, key: SigningKey): string {
  const parsed = statementSchema.safeParse(statement);
  if (!parsed.success) throw rejected('it is not of the shape of a statement');
  return writeSignedText(purposeOf(parsed.data.type), parsed.data, key);
}

/**
 * Reads a statement and checks its signature against the key that it names itself.
 * INVARIANT: says nothing about whether that key may say so; only `foldStatements` does.
 * @throws STATEMENT_REJECTED for anything else than canonical JSON of the schema with a good signature.
 */
export function readStatement(text: string): SignedStatement {
  const signed = splitSignedText(text);
  if (signed === undefined) throw rejected('it is not key.payload.signature in base64url');
  const statement = parsePayload(signed.payload);
  if (!isSigned(purposeOf(statement.type), signed)) throw rejected('its signature does not hold');
  return { statement, signer: signed.signer };
}

function parsePayload(payload: Uint8Array): Statement {
  const parsed = statementSchema.safeParse(parseJson(payload));
  if (!parsed.success) throw rejected('it is not of the shape of a statement');
  if (!isCanonical(parsed.data, payload)) throw rejected('its JSON is not in canonical form');
  return parsed.data;
}
