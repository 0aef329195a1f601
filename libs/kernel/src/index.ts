export { Secret } from './secret.js';
export { KeymeshError, type KeymeshErrorOptions } from './keymesh-error.js';
export { type Clock, systemClock, SECOND, MINUTE, HOUR, DAY } from './clock.js';
export { utf8, fromUtf8, concat, toBase64Url, fromBase64Url, toHex, lengthPrefixed } from './bytes.js';
export {
  type SigningKey,
  type SignaturePurpose,
  makeSigningKey,
  signingKeyOf,
  verifyingKeyOf,
  signFor,
  signTextFor,
  verifyFor,
} from './ed25519.js';
