import type { CredentialTemplate } from '@keymesh/contracts';

type BuiltIn = Omit<CredentialTemplate, 'origin' | 'generate' | 'hints' | 'tags'> &
  Partial<Pick<CredentialTemplate, 'generate' | 'hints' | 'tags'>>;

/** A key that its provider issues: kept and handed out; a new one is stored as the next version. */
const issuedKey = (name: string, summary: string, hint: string, provider: string = name): BuiltIn => ({
  name,
  summary,
  type: 'api_key',
  provider,
  hints: { value: hint },
});

const databaseLogin = (name: string, summary: string, port: string): BuiltIn => ({
  name,
  summary,
  type: 'database',
  provider: name,
  tags: ['database'],
  hints: { port: `usually ${port}`, engine: name },
});

/** Starting points for what most fleets keep. A new one is a line here. */
export const BUILT_IN_TEMPLATES: readonly BuiltIn[] = [
  {
    name: 'aws',
    summary: 'Access key of an IAM user in AWS.',
    type: 'aws_access_key',
    provider: 'aws',
    tags: ['cloud'],
    hints: {
      access_key_id: 'AKIA… of the user; made in IAM under Security credentials',
      secret_access_key: 'shown once, when the key is made',
      region: 'e.g. eu-central-1',
    },
  },
  {
    name: 'gcp',
    summary: 'Key file of a service account in Google Cloud.',
    type: 'gcp_service_account',
    provider: 'gcp',
    tags: ['cloud'],
    hints: { key: 'the whole JSON file that IAM gives for a new key' },
  },
  {
    name: 'azure',
    summary: 'Client secret of an application in Microsoft Entra ID.',
    type: 'azure_client_secret',
    provider: 'azure',
    tags: ['cloud'],
    hints: { client_secret: 'the value of the secret, not its id; shown once' },
  },
  issuedKey('alpha_vantage', 'API key of Alpha Vantage market data.', '16 capital letters and digits'),
  issuedKey('anthropic', 'API key of Anthropic.', 'sk-ant-…'),
  issuedKey('datadog', 'API key of Datadog.', '32 hex digits, under Organization settings'),
  issuedKey('github', 'Personal access token or app token of GitHub.', 'github_pat_… or ghp_…'),
  issuedKey('gitlab', 'Access token of GitLab.', 'glpat-…'),
  issuedKey('npm', 'Access token of the npm registry.', 'npm_…'),
  issuedKey('openai', 'API key of OpenAI.', 'sk-…'),
  issuedKey('pypi', 'API token of PyPI.', 'pypi-…'),
  issuedKey('sendgrid', 'API key of SendGrid.', 'SG.…'),
  issuedKey('slack', 'Bot token of a Slack app.', 'xoxb-…'),
  issuedKey('stripe', 'Secret or restricted key of Stripe.', 'sk_live_… or, better, rk_live_…'),
  issuedKey('twilio', 'API key secret or auth token of Twilio.', '32 characters'),
  {
    ...databaseLogin('postgres', 'Login of a PostgreSQL database, its password made by the vault.', '5432'),
    generate: true,
  },
  databaseLogin('mysql', 'Login of a MySQL or MariaDB database.', '3306'),
  databaseLogin('mongodb', 'Login of a MongoDB database.', '27017'),
  databaseLogin('redis', 'Login of a Redis or Valkey server.', '6379'),
  {
    name: 'login',
    summary: 'User name and password of a person or service.',
    type: 'username_password',
  },
  {
    name: 'oauth',
    summary: 'Client of an OAuth 2.0 authorization server.',
    type: 'oauth_client',
    tags: ['oauth'],
  },
  {
    name: 'tls',
    summary: 'TLS certificate with its private key.',
    type: 'tls_certificate',
    tags: ['tls'],
    hints: { certificate: 'PEM, the leaf first, then its chain' },
  },
  {
    name: 'ssh',
    summary: 'SSH key pair (Ed25519), made by the vault.',
    type: 'ssh_key',
    tags: ['ssh'],
    generate: true,
  },
  {
    name: 'jwt',
    summary: 'Key that signs JSON Web Tokens, made by the vault.',
    type: 'jwt_signing_key',
    tags: ['jwt'],
    generate: true,
  },
  {
    name: 'webhook',
    summary: 'Secret that webhooks are signed with, made by the vault.',
    type: 'webhook_secret',
    tags: ['webhook'],
    generate: true,
  },
  {
    name: 'service_key',
    summary: 'API key of a service of your own, made by the vault and rotated by itself every 30 days.',
    type: 'api_key',
    generate: true,
    rotation: { adapter: 'generated' },
  },
];
