import {
  commonVariables,
  databaseConfig,
  jsonFile,
  parseConfig,
  secretFile,
  secretKeyFile,
  toCommonConfig,
  type CommonConfig,
  type Environment,
} from '@keymesh/service-kit/task';
import { statementText } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import { z } from 'zod';

/** What the policy service knows beyond the common configuration. */
export interface PolicyConfig extends CommonConfig {
  /** nkey account seed (`SA…`): signs what the auth callout answers. */
  readonly calloutIssuerSeed: Secret;
  /** Curve seed (`SX…`): the server encrypts callout requests to it. */
  readonly calloutXkeySeed: Secret;
  /** Ed25519 seed of the bundle key, 32 bytes. It can only take away. */
  readonly bundleSeed: Secret;
  /** nkey user seed (`SU…`) in the NATS system account: closes connections. */
  readonly sysSeed: Secret;
  /** Statements of initialisation, in order. */
  readonly genesis: readonly string[];
  /** Log of the embedded NATS server, whose permission violations are recorded; undefined with a server of the user's own. */
  readonly natsLogFile: string | undefined;
}

const variables = {
  ...commonVariables,
  KEYMESH_CALLOUT_ISSUER_SEED_FILE: secretFile('callout-issuer-seed').describe(
    'File with the nkey account seed (SA…) that signs what the auth callout answers.',
  ),
  KEYMESH_CALLOUT_XKEY_SEED_FILE: secretFile('callout-xkey-seed').describe(
    'File with the curve seed (SX…) that callout requests are encrypted to.',
  ),
  KEYMESH_BUNDLE_SEED_FILE: secretKeyFile('bundle-seed', 32).describe(
    'File with the Ed25519 seed of the bundle key, whose public half is pinned in trust.json.',
  ),
  KEYMESH_SYS_SEED_FILE: secretFile('sys-seed').describe(
    'File with the nkey user seed (SU…) in the NATS system account, to close connections.',
  ),
  KEYMESH_GENESIS_FILE: jsonFile(
    z.strictObject({ statements: z.array(statementText).min(1) }),
    'the statements of initialisation (genesis.json)',
  ).describe('genesis.json: statements that name the first operator and the services of the mesh.'),
  KEYMESH_NATS_LOG_FILE: z
    .string()
    .optional()
    .describe('Log of the embedded NATS server: permission violations told there become audit records.'),
};

/** The schema of the environment; docs/reference is generated from it. */
export const policyVariables = z.object(variables).transform((values): PolicyConfig => ({
  ...toCommonConfig(values),
  calloutIssuerSeed: values.KEYMESH_CALLOUT_ISSUER_SEED_FILE,
  calloutXkeySeed: values.KEYMESH_CALLOUT_XKEY_SEED_FILE,
  bundleSeed: values.KEYMESH_BUNDLE_SEED_FILE,
  sysSeed: values.KEYMESH_SYS_SEED_FILE,
  genesis: values.KEYMESH_GENESIS_FILE.statements,
  natsLogFile: values.KEYMESH_NATS_LOG_FILE,
}));

/** @throws CONFIG_INVALID naming every variable and its rule. */
export const readPolicyConfig = (environment: Environment = process.env): PolicyConfig =>
  parseConfig(policyVariables, environment);

/** For migrate.ts. @throws CONFIG_INVALID */
export const readDatabaseConfig = (environment: Environment = process.env) =>
  parseConfig(databaseConfig, environment);
