import type { MintToken } from '../operations/mint-token.js';
import type { Issuer } from './issuer.js';

/** Signs a token with the credential's key, which stays in the vault. */
export const tokenIssuer = (mintToken: MintToken): Issuer => ({
  kind: 'token',
  async issue(order, call) {
    const { token } = await mintToken(order, call);
    return { token };
  },
});
