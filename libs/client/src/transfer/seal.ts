import { failure } from '@keymesh/contracts';
import { fromUtf8, type Secret } from '@keymesh/kernel';

/** Loaded when a file is encrypted: it brings all its curves along. */
const age = () => import('age-encryption');

/** For whom a file is encrypted: who knows the passphrase, or who holds the identity of one of the recipients (`age1…`). */
export type SealFor = { readonly passphrase: Secret } | { readonly recipients: readonly string[] };
/** What opens one: the passphrase, or identities (`AGE-SECRET-KEY-…`). */
export type OpenWith = { readonly passphrase: Secret } | { readonly identities: readonly string[] };

/** A new key pair: what is sealed for `recipient` opens with `identity` (X25519). The identity is a text, which cannot be wiped. */
export async function makeIdentity(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const { generateX25519Identity, identityToRecipient } = await age();
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/**
 * Encrypts as age does (age-encryption.org/v1: scrypt or X25519, with ML-KEM for `age1pq1…`; ChaCha20-Poly1305 in chunks of 64 KiB).
 * @throws USAGE for what is no recipient.
 */
export async function* seal(plain: AsyncIterable<Uint8Array>, sealFor: SealFor): AsyncGenerator<Uint8Array> {
  const encrypter = new (await age()).Encrypter();
  try {
    // EXPOSE: age takes a text; it cannot be wiped and ends with the process.
    if ('passphrase' in sealFor) encrypter.setPassphrase(fromUtf8(sealFor.passphrase.expose()));
    else for (const recipient of sealFor.recipients) encrypter.addRecipient(recipient);
  } catch {
    throw failure('USAGE', { publicMessage: 'A recipient is an age public key: age1… or age1pq1….' });
  }
  yield* await encrypter.encrypt(streamOf(plain));
}

/** Decrypts what {@link seal} wrote, or age itself. @throws BUNDLE_INVALID for another passphrase or key, and for what was changed or cut off. */
export async function* unseal(
  sealed: AsyncIterable<Uint8Array>,
  openWith: OpenWith,
): AsyncGenerator<Uint8Array> {
  const decrypter = new (await age()).Decrypter();
  try {
    // EXPOSE: age takes a text; it cannot be wiped and ends with the process.
    if ('passphrase' in openWith) decrypter.addPassphrase(fromUtf8(openWith.passphrase.expose()));
    else for (const identity of openWith.identities) decrypter.addIdentity(identity);
  } catch {
    throw failure('USAGE', { publicMessage: 'An identity file holds age secret keys: AGE-SECRET-KEY-….' });
  }
  try {
    yield* await decrypter.decrypt(streamOf(sealed));
  } catch {
    throw failure('BUNDLE_INVALID');
  }
}

/** A stream that pulls: nothing is read before there is room for it. */
function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const next = await source.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await source.return?.();
    },
  });
}
