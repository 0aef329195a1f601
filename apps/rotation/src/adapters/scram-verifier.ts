import { scramVerifier } from '@keymesh/postgres';
import { fromUtf8, Secret, utf8 } from '@keymesh/kernel';

/**
 * What PostgreSQL stores of a password (RFC 5802, RFC 7677), derived here so that the password itself never reaches the server
 * or its log. Random salt, so not deterministic unless one is given.
 * @param password UTF-8 bytes; the caller keeps ownership.
 * @throws TypeError when the password is not UTF-8: nobody could log in with it through the driver.
 */
export function deriveScramVerifier(password: Secret, salt?: Uint8Array): string {
  using prepared = saslPrepare(password);
  return salt === undefined ? scramVerifier(prepared) : scramVerifier(prepared, salt);
}

/**
 * SASLprep's mappings (RFC 4013 sections 2.1 and 2.2), the same that the `pg` driver does at login: non-ASCII spaces become a
 * space, what is commonly mapped to nothing goes, then NFKC. ASCII passwords, which the vault generates, pass unchanged.
 */
function saslPrepare(password: Secret): Secret {
  // EXPOSE: into a copy that the caller disposes.
  const bytes = Uint8Array.from(password.expose());
  if (bytes.every((byte) => byte < 0x80)) return new Secret(bytes, 'password');
  try {
    const text = fromUtf8(bytes)
      .replace(/[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/g, ' ')
      .replace(/\u00AD|\u034F|\u1806|[\u180B-\u180D]|\u200C|\u200D|\u2060|[\uFE00-\uFE0F]|\uFEFF/g, '');
    return new Secret(utf8(text.normalize('NFKC')), 'password');
  } finally {
    bytes.fill(0);
  }
}
