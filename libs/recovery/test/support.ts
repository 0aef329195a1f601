import { Secret } from '@keymesh/kernel';
import {
  makeRecoveryPrivateKey,
  publicHalfOf,
  readShare,
  recoveryKeyId,
  splitRecoveryKey,
} from '../src/index.js';

/** A fresh recovery key and its shares as texts. */
export async function makeSplit(shares = 5, threshold = 3) {
  const privateKey = makeRecoveryPrivateKey();
  const publicKey = publicHalfOf(privateKey);
  const texts = await splitRecoveryKey(privateKey, { shares, threshold });
  return {
    privateKey,
    recovery: { publicKey, keyId: recoveryKeyId(publicKey), shares, threshold },
    texts,
    shares: () => texts.map(readShare),
  };
}

export const textOf = (secret: Secret): string => Buffer.from(secret.expose()).toString('ascii');
export const secretText = (text: string): Secret => Secret.fromText(text, 'spec');
export const shown = (secret: Secret): string => Buffer.from(secret.expose()).toString('hex');

/** Every way to choose `size` of a list. */
export function* choicesOf<T>(list: readonly T[], size: number): Generator<T[]> {
  if (size === 0) yield [];
  if (size < 1) return;
  for (const [at, one] of list.entries())
    for (const rest of choicesOf(list.slice(at + 1), size - 1)) yield [one, ...rest];
}

/** Code and sentence of what is thrown; a share must not be repeated in it. */
export async function refusal(call: () => unknown): Promise<{ code: string; sentence: string }> {
  try {
    await call();
  } catch (error) {
    const { code, publicMessage } = error as { code: string; publicMessage?: string };
    return { code, sentence: publicMessage ?? '' };
  }
  throw new Error('nothing was refused');
}
