import { fromUtf8 } from '@keymesh/kernel';
import type { Values } from '../parts.js';
import { ISSUED_POLICY } from './issued-policy.js';
import type { CredentialTypePlugin, PartSchema } from './plugin.js';

const token = (name: string, summary: string, required: boolean): PartSchema => ({
  ...{ name, summary, required },
  secret: true,
  maxBytes: 16_384,
  format: 'text',
  strength: 'issued',
});

/** RFC 6749 section 5.1. When it ends is said by `expires_at`, else by the token itself where it is a JWT with `exp`. */
export const oauthToken: CredentialTypePlugin = {
  type: 'oauth_token',
  summary: 'An OAuth access token, with its refresh token if there is one.',
  parts: [
    token('access_token', 'the access token', true),
    token('refresh_token', 'the refresh token', false),
    {
      name: 'expires_at',
      summary: 'when the access token ends',
      secret: false,
      required: false,
      maxBytes: 64,
      format: 'timestamp',
    },
  ],
  primaryPart: 'access_token',
  policy: ISSUED_POLICY,
  inspect(values) {
    const expiresAtMs = statedExpiry(values) ?? jwtExpiry(values);
    return expiresAtMs === undefined ? {} : { expiresAtMs };
  },
  readsExpiry: true,
  compress: false,
  rotationAdapters: [],
};

function statedExpiry({ expires_at: stated }: Values): number | undefined {
  // EXPOSE: a time, and no secret by the type's own word.
  return stated === undefined ? undefined : Date.parse(fromUtf8(stated.expose()));
}

const DOT = 0x2e;
/** The latest time of ECMAScript, in seconds. */
const MAX_SECONDS = 8.64e12;

/** `exp` of RFC 7519 section 4.1.4. The claims become a string for as long as they are read; the signature, which is the secret, does not. */
function jwtExpiry({ access_token: token }: Values): number | undefined {
  // EXPOSE: only a time comes out.
  const bytes = Buffer.from(token?.expose() ?? []);
  try {
    const [first, second] = [bytes.indexOf(DOT), bytes.lastIndexOf(DOT)];
    if (first < 0 || second <= first) return undefined;
    const claims: unknown = JSON.parse(
      Buffer.from(bytes.toString('latin1', first + 1, second), 'base64url').toString('utf8'),
    );
    const { exp } = (claims ?? {}) as { readonly exp?: unknown };
    return typeof exp === 'number' && exp > 0 && exp < MAX_SECONDS ? exp * 1_000 : undefined;
  } catch {
    return undefined; // not a JWT: opaque tokens are the rule
  } finally {
    bytes.fill(0);
  }
}
