export {
  makeRecoveryPrivateKey,
  publicHalfOf,
  readRecoveryPublicKey,
  recoveryKeyId,
  writeRecoveryPublicKey,
  type RecoveryPublicKey,
} from './recovery-key.js';
export { checkShares, joinShares, readShare, splitRecoveryKey, type RecoveryShare } from './shares.js';
export { makeRecoveryOpener, sealForRecovery, type RecoveryOpener } from './sealed.js';
