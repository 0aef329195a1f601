import type { Kms } from './kms.js';

/** A KMS that the vault can let go of while it is locked. */
export interface ReopenedKms extends Kms {
  /** Lets go of what it keeps of the root; the next call opens it again, from its files and settings. */
  forget(): void;
}

/** @param open opens the KMS anew, each time alike. @throws what `open` throws for the first time */
export async function makeReopenedKms<Opened extends Kms>(
  open: () => Promise<Opened>,
): Promise<Opened & ReopenedKms> {
  const first = await open();
  let current: Promise<Kms> | undefined = Promise.resolve(first);
  const opened = async (): Promise<Kms> => {
    const opening = (current ??= open());
    try {
      return await opening;
    } catch (error) {
      // Not kept: the file or device may be there the next time.
      if (current === opening) current = undefined;
      throw error;
    }
  };
  return {
    ...first,
    wrapKey: async (plain, context) => (await opened()).wrapKey(plain, context),
    unwrapKey: async (wrapped, context) => (await opened()).unwrapKey(wrapped, context),
    forget() {
      const left = current;
      current = undefined;
      void left?.then(
        (kms) => kms.dispose?.(),
        () => undefined,
      );
    },
  };
}
