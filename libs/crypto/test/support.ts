import { Secret } from '@keymesh/kernel';

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
export const secretOf = (bytes: Uint8Array | string): Secret =>
  new Secret(
    typeof bytes === 'string' ? Uint8Array.from(Buffer.from(bytes)) : Uint8Array.from(bytes),
    'spec',
  );
export const shown = (secret: Secret): string => Buffer.from(secret.expose()).toString('hex');

/** Every array that differs from `bytes` in one bit. */
export function* everyBitFlipped(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const copy = Uint8Array.from(bytes);
      copy[at]! ^= 1 << bit;
      yield copy;
    }
  }
}

/** Every proper prefix, and some extensions. */
export function* everyOtherLength(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
  yield Uint8Array.from([...bytes, 0]);
  yield Uint8Array.from([0, ...bytes]);
  yield Uint8Array.from([...bytes, ...bytes]);
}

const told = (error: unknown): string => {
  const { code, message, cause, details } = error as Record<string, unknown>;
  if (cause !== undefined || Object.keys((details as object | undefined) ?? {}).length > 0)
    return 'tells too much';
  return code === message ? String(code) : `not ours: ${String(error)}`;
};

/** The code of what a call throws; the error must say nothing else. `undefined` when it does not throw. */
export function refusal(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return told(error);
  }
}

export const refusalAsync = (call: Promise<unknown>): Promise<string | undefined> =>
  call.then(() => undefined, told);
