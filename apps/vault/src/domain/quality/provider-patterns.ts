// What providers say of the texts that they issue, or what all of theirs look like. Only shapes: nothing is asked of a provider.
// Looked at as bytes in Latin-1: a regular expression needs a string, which lives as long as the test; see docs/adr/0010.

interface ProviderPattern {
  /** Names under which a credential of it is stored. */
  readonly providers: readonly string[];
  /** Types whose primary part it is about. */
  readonly types: readonly string[];
  readonly pattern: RegExp;
}

const KEYS = ['api_key'];
const TOKENS = ['api_key', 'oauth_token'];

const PROVIDER_PATTERNS: readonly ProviderPattern[] = [
  { providers: ['aws'], types: ['aws_access_key'], pattern: /^[A-Za-z0-9/+]{40}$/ },
  {
    providers: ['github'],
    types: TOKENS,
    pattern: /^(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,244}|[0-9a-f]{40})$/,
  },
  {
    providers: ['gitlab'],
    types: TOKENS,
    pattern: /^(?:gl[a-z]{2,7}-[A-Za-z0-9_.-]{20,300}|[A-Za-z0-9_-]{20})$/,
  },
  { providers: ['stripe'], types: KEYS, pattern: /^(?:sk|rk|pk)_(?:test|live)_[A-Za-z0-9]{10,247}$/ },
  { providers: ['stripe'], types: ['webhook_secret'], pattern: /^whsec_[A-Za-z0-9+/=]{24,128}$/ },
  {
    providers: ['slack'],
    types: TOKENS,
    pattern:
      /^(?:xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}|xoxe\.xox[bp]-\d-[A-Za-z0-9]{20,250})$/,
  },
  { providers: ['google', 'gcp', 'google_maps'], types: KEYS, pattern: /^AIza[A-Za-z0-9_-]{35}$/ },
  { providers: ['google', 'gcp'], types: ['oauth_client'], pattern: /^GOCSPX-[A-Za-z0-9_-]{28}$/ },
  { providers: ['openai'], types: KEYS, pattern: /^sk-[A-Za-z0-9_-]{20,250}$/ },
  { providers: ['anthropic'], types: KEYS, pattern: /^sk-ant-[A-Za-z0-9_-]{20,250}$/ },
  { providers: ['twilio'], types: KEYS, pattern: /^[0-9a-f]{32}$|^[A-Za-z0-9]{32}$/ },
  { providers: ['sendgrid'], types: KEYS, pattern: /^SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}$/ },
  { providers: ['npm'], types: TOKENS, pattern: /^npm_[A-Za-z0-9]{36}$/ },
  { providers: ['pypi'], types: TOKENS, pattern: /^pypi-[A-Za-z0-9_-]{16,1000}$/ },
  {
    providers: ['azure', 'azure_ad', 'entra'],
    types: ['azure_client_secret', 'oauth_client'],
    pattern: /^[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{31,34}$/,
  },
  { providers: ['alpha_vantage', 'alphavantage', 'alpha-vantage'], types: KEYS, pattern: /^[A-Z0-9]{16}$/ },
  { providers: ['mailgun'], types: KEYS, pattern: /^(?:key-)?[0-9a-f]{32}(?:-[0-9a-f]{8}-[0-9a-f]{8})?$/ },
  { providers: ['digitalocean'], types: TOKENS, pattern: /^do[opr]_v1_[0-9a-f]{64}$/ },
  { providers: ['shopify'], types: TOKENS, pattern: /^shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}$/ },
  {
    providers: ['hashicorp_vault', 'openbao'],
    types: TOKENS,
    pattern: /^(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,250}$/,
  },
];

/** What it is for a provider whose texts all begin alike: longer than any of theirs is not theirs either. */
const MAX_LENGTH = 1_100;

/** Types whose texts have a shape whoever the provider is named. */
const IMPLIED_PROVIDERS: Readonly<Record<string, string>> = {
  azure_client_secret: 'azure',
};

/**
 * Whether a value looks like what its provider issues; undefined when nothing is known of this provider and type.
 * @param provider as stored with the credential: case, spaces, `-` and `_` do not matter.
 */
export function looksLikeProvider(
  type: string,
  provider: string | undefined,
  bytes: Uint8Array,
): boolean | undefined {
  const name = normalised(provider ?? IMPLIED_PROVIDERS[type] ?? '');
  const patterns = PROVIDER_PATTERNS.filter(
    ({ providers, types }) => types.includes(type) && providers.some((known) => normalised(known) === name),
  );
  if (patterns.length === 0) return undefined;
  if (bytes.length > MAX_LENGTH) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return patterns.some(({ pattern }) => pattern.test(text));
}

const normalised = (name: string): string => name.toLowerCase().replace(/[\s_-]/g, '');

/** Providers of which shapes are known, for the reference. */
export const knownProviders = (): readonly {
  readonly provider: string;
  readonly types: readonly string[];
}[] => PROVIDER_PATTERNS.map(({ providers, types }) => ({ provider: providers[0] ?? '', types }));
