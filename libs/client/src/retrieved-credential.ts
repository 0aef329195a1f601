import {
  PRIMARY_PARTS,
  type CredentialType,
  type ReplyOf,
  type retrieveCredential,
  type Stage,
} from '@keymesh/contracts';
import { fromUtf8, type Secret } from '@keymesh/kernel';

/**
 * A credential with its value, in the caller's hands. Prints redacted everywhere; `using` (or `dispose()`) wipes it.
 */
export class RetrievedCredential implements Disposable {
  readonly credentialId: string;
  readonly name: string;
  readonly type: CredentialType;
  readonly version: number;
  readonly stage: Stage;
  /** Grows with every change; never goes back for a reader who has seen it. */
  readonly revision: number;
  readonly expiresAt: string | null;
  /** True once `expiresAt` has passed: it is handed out all the same, and should be replaced. */
  readonly expired: boolean;
  /** True when the vault served it from memory because its database was away. */
  readonly stale: boolean;
  /** All parts, e.g. `username` and `password`. */
  readonly values: Readonly<Record<string, Secret>>;

  constructor(reply: ReplyOf<typeof retrieveCredential>) {
    this.credentialId = reply.credentialId;
    this.name = reply.name;
    this.type = reply.type;
    this.version = reply.version;
    this.stage = reply.stage;
    this.revision = reply.revision;
    this.expiresAt = reply.expiresAt;
    this.expired = reply.expired ?? false;
    this.stale = reply.stale;
    this.values = reply.values;
  }

  /** The part that is meant by "the value": the key, the password, the private key. */
  get value(): Secret {
    const part = this.values[PRIMARY_PARTS[this.type]] ?? Object.values(this.values)[0];
    if (part === undefined) throw new Error('a credential without parts');
    return part;
  }

  /**
   * A part as text, for libraries that take strings. A string cannot be wiped: prefer `value.expose()`.
   * @param part default: the primary part.
   * @throws TypeError when the bytes are not UTF-8.
   */
  text(part?: string): string {
    const secret = part === undefined ? this.value : this.values[part];
    if (secret === undefined) throw new RangeError('this credential has no such part');
    // EXPOSE: the caller asked for its own credential as text.
    return fromUtf8(secret.expose());
  }

  /** Zeroes every part. */
  dispose(): void {
    for (const secret of Object.values(this.values)) secret.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
