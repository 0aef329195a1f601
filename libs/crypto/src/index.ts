export type { KeyMaterial } from './aes-gcm.js';
export type { DekBinding, ValueBinding } from './binding.js';
export { decryptValue, encryptValue, prepareValue } from './value.js';
export { makeDek, makeKek, unwrapDek, wrapDek } from './dek.js';
export { makeRootWrapper, type RootKdf, type RootWrapper } from './root.js';
export {
  joinKey,
  makeWrappingKey,
  openUnderWrappingKey,
  sealUnderWrappingKey,
  splitKey,
} from './split-key.js';
export { commitName, fingerprint, macRow, verifyRow, type RowValue } from './keyed-hash.js';
export { decodeParts, encodeParts, type ValueParts } from './value-parts.js';
export { makeRandomValue } from './random-value.js';
export { makeSalt } from './salt.js';
export { BACKUP_CHUNK_BYTES, makeBackupKey, openBackupStream, sealBackupStream } from './backup-stream.js';
