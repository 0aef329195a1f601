import { timingSafeEqual } from 'node:crypto';

const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * Bytes that must not be seen by accident: a credential's value, a key, a token.
 *
 * Prints as `<redacted:label>` in templates, JSON, inspection and logs. The bytes are read only through
 * {@link Secret.expose}, and every call of it carries an `// EXPOSE:` comment that says why it is safe (lint checks it).
 * `dispose()` overwrites the bytes with zeros. What it cannot do: wipe copies that others made, or a JavaScript string.
 */
export class Secret<Label extends string = string> implements Disposable {
  readonly label: Label;
  readonly #bytes: Uint8Array;
  #disposed = false;

  /** Takes ownership of `bytes` (they are zeroed on dispose); the caller must not keep using them. */
  constructor(bytes: Uint8Array, label: Label) {
    this.#bytes = bytes;
    this.label = label;
  }

  /** Encodes text as UTF-8. For edges where text is all there is (an environment file, a prompt). */
  static fromText<L extends string>(text: string, label: L): Secret<L> {
    return new Secret(new TextEncoder().encode(text), label);
  }

  /** Length of the value in bytes. */
  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /**
   * The live bytes, not a copy: they become zeros on dispose.
   * @throws Error when already disposed, so that zeros are never used as a key.
   */
  expose(): Uint8Array {
    if (this.#disposed) throw new Error(`secret ${this.label} was used after dispose`);
    return this.#bytes;
  }

  /**
   * Compares in constant time for equal lengths.
   * @throws Error when one is disposed: zeros must never count as equal.
   */
  equals(other: Secret): boolean {
    // EXPOSE: compared in place, nothing leaves.
    const [mine, theirs] = [this.expose(), other.expose()];
    return mine.length === theirs.length && timingSafeEqual(mine, theirs);
  }

  /** Overwrites the bytes with zeros. Idempotent. */
  dispose(): void {
    this.#bytes.fill(0);
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return `<redacted:${this.label}>`;
  }

  toJSON(): string {
    return this.toString();
  }

  [INSPECT](): string {
    return this.toString();
  }
}
