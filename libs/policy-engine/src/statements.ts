import canonicalize from 'canonicalize';
import {
  fromBase64Url,
  fromUtf8,
  signFor,
  toBase64Url,
  utf8,
  verifyFor,
  type KeymeshError,
  type SignaturePurpose,
  type SigningKey,
} from '@keymesh/kernel';
import { failure, statement as statementSchema, type Statement } from '@keymesh/contracts';

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

/** RFC 8785 bytes of a message that holds only JSON values. */
export function canonicalBytes(message: unknown): Uint8Array {
  const json = canonicalize(message);
  if (json === undefined) throw new TypeError('not a JSON value');
  return utf8(json);
}

/**
 * Signs a statement. Deterministic.
 * @returns `base64url(signer public key).base64url(RFC 8785 JSON).base64url(signature)`.
 * @throws STATEMENT_REJECTED unless it is of the statement schema.
 */
export function signStatement(statement: Statement, key: SigningKey): string {
  const parsed = statementSchema.safeParse(statement);
  if (!parsed.success) throw rejected('it is not of the shape of a statement');
  const payload = canonicalBytes(parsed.data);
  const signature = signFor(purposeOf(parsed.data.type), payload, key);
  return [key.publicKeyText, toBase64Url(payload), toBase64Url(signature)].join('.');
}

/**
 * Reads a statement and checks its signature against the key that it names itself.
 * INVARIANT: says nothing about whether that key may say so; only `foldStatements` does.
 * @throws STATEMENT_REJECTED for anything else than canonical JSON of the schema with a good signature.
 */
export function readStatement(text: string): SignedStatement {
  const [signer = '', payloadText = '', signatureText = '', ...rest] = text.split('.');
  const payload = fromBase64Url(payloadText);
  const signature = fromBase64Url(signatureText);
  if (rest.length > 0 || payload === undefined || signature === undefined)
    throw rejected('it is not key.payload.signature in base64url');
  const statement = parsePayload(payload);
  if (!verifyFor(purposeOf(statement.type), payload, signature, signer))
    throw rejected('its signature does not hold');
  return { statement, signer };
}

function parsePayload(payload: Uint8Array): Statement {
  const parsed = statementSchema.safeParse(parseJson(payload));
  if (!parsed.success) throw rejected('it is not of the shape of a statement');
  // INVARIANT: one statement has one text, so that repeats are seen and hashes agree.
  if (Buffer.compare(canonicalBytes(parsed.data), payload) !== 0)
    throw rejected('its JSON is not in canonical form');
  return parsed.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
