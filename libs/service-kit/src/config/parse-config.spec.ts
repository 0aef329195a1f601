import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KeymeshError, makeSigningKey, toBase64Url } from '@keymesh/kernel';
import fc from 'fast-check';
import { z } from 'zod';
import { commonConfig, commonVariables, databaseConfig, toCommonConfig } from './common-config.js';
import { parseConfig, type Environment } from './parse-config.js';

let folder: string;
let env: Record<string, string>;

const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keymesh-config-'));
  const operator = makeSigningKey().key.publicKeyText;
  const trust = {
    v: 1,
    meshId: 'm',
    meshPublicKey: operator,
    bundlePublicKey: operator,
    operators: [{ name: 'first', channelKey: operator }],
  };
  env = {
    KEYMESH_NATS_URL: 'nats://127.0.0.1:7422',
    KEYMESH_NATS_SEED_FILE: write('nats.seed', ' SUNKEYSEED\n'),
    KEYMESH_SIGNING_SEED_FILE: write('signing.seed', toBase64Url(new Uint8Array(32).fill(7))),
    KEYMESH_STATE_KEY_FILE: write('state.key', `${toBase64Url(new Uint8Array(32).fill(8))}\n`),
    KEYMESH_TRUST_FILE: write('trust.json', JSON.stringify(trust)),
    KEYMESH_DATABASE_URL: 'postgres://keymesh_vault@127.0.0.1:7432/keymesh',
    KEYMESH_DATABASE_PASSWORD_FILE: write('database.password', 'correct horse\n'),
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function problemsOf(
  given: Environment,
  schema: z.ZodType = commonConfig,
): { text: string; problems: string[] } {
  try {
    parseConfig(schema, given);
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'CONFIG_INVALID') {
      return {
        text: JSON.stringify([error.message, error.details]),
        problems: error.details.problems as string[],
      };
    }
    throw error;
  }
  throw new Error('it was accepted');
}

describe('parseConfig', () => {
  it('reads what is there, secrets at once, and fills in the defaults', () => {
    const config = parseConfig(commonConfig, { ...env, KEYMESH_INSTANCE: 'pod-1' });
    expect(config).toMatchObject({
      natsUrl: 'nats://127.0.0.1:7422',
      http: { host: '127.0.0.1', port: 0 },
      logLevel: 'info',
      allowPlainReply: false,
      exitWithStdin: false,
      telemetry: { disabled: false, exports: false, sampler: 'parentbased_always_on', samplerRatio: 1 },
    });
    expect(config.instance).toMatch(/^pod-1-[0-9a-f]{8}$/);
    expect(Buffer.from(config.natsSeed.expose()).toString()).toBe('SUNKEYSEED');
    expect([...config.signingSeed.expose()]).toEqual(Array(32).fill(7));
    expect([...config.stateKey.expose()]).toEqual(Array(32).fill(8));
    expect(Buffer.from(config.database.password.expose()).toString()).toBe('correct horse');
    expect(JSON.stringify(config)).not.toContain('correct horse');
  });

  it('gives every start of one named instance another name, because a journal chain belongs to one start', () => {
    const named = { ...env, KEYMESH_INSTANCE: 'pod-1' };
    expect(parseConfig(commonConfig, named).instance).not.toBe(parseConfig(commonConfig, named).instance);
  });

  it('parses booleans, numbers and the collector', () => {
    const config = parseConfig(commonConfig, {
      ...env,
      KEYMESH_EXIT_WITH_STDIN: 'true',
      KEYMESH_HTTP_PORT: '7501',
      KEYMESH_PLAIN_REPLY: 'allow',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    });
    expect(config).toMatchObject({
      exitWithStdin: true,
      http: { port: 7501 },
      allowPlainReply: true,
      telemetry: { exports: true, sampler: 'parentbased_traceidratio', samplerRatio: 0.25 },
    });
  });

  it('tells all problems at once, by name and rule', () => {
    const { problems } = problemsOf({
      ...env,
      KEYMESH_NATS_URL: undefined,
      KEYMESH_HTTP_PORT: '70000',
      KEYMESH_LOG_LEVEL: 'loud',
      KEYMESH_EXIT_WITH_STDIN: 'yes',
      KEYMESH_STATE_KEY_FILE: '',
      KEYMESH_TRUST_FILE: env.KEYMESH_NATS_SEED_FILE,
      OTEL_TRACES_SAMPLER_ARG: '2',
    });
    expect(problems).toEqual([
      'KEYMESH_EXIT_WITH_STDIN: must be one of true, false',
      'KEYMESH_HTTP_PORT: must be a whole number from 0 to 65535',
      'KEYMESH_LOG_LEVEL: must be one of trace, debug, info, warn, error, fatal, silent',
      'KEYMESH_NATS_URL: is required (string)',
      'KEYMESH_STATE_KEY_FILE: is required (string)',
      'KEYMESH_TRUST_FILE: must name a file that holds a trust root (trust.json)',
      'OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1',
    ]);
  });

  it('refuses a URL that holds a password, and files that are empty, missing or of another size', () => {
    const { problems } = problemsOf({
      ...env,
      KEYMESH_DATABASE_URL: 'postgres://u:hunter2@127.0.0.1/keymesh',
      KEYMESH_NATS_SEED_FILE: join(folder, 'none'),
      KEYMESH_SIGNING_SEED_FILE: write('short', 'AAAA'),
      KEYMESH_DATABASE_PASSWORD_FILE: write('empty', '\n'),
    });
    expect(problems).toEqual([
      'KEYMESH_DATABASE_PASSWORD_FILE: must name a file that is not empty',
      'KEYMESH_DATABASE_URL: must be a URL that starts with postgres:// or postgresql:// and holds no password',
      'KEYMESH_NATS_SEED_FILE: must name a file that can be read',
      'KEYMESH_SIGNING_SEED_FILE: must name a file with 32 bytes in unpadded base64url',
    ]);
  });

  it('never repeats what a variable or its file held', () => {
    const canary = fc.string({ minLength: 6, maxLength: 40 }).map((text) => `cnry-${text}`);
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(commonVariables)), canary, (name, value) => {
        const inFile = write('canary', value);
        for (const given of [value, inFile]) {
          try {
            parseConfig(commonConfig, { ...env, [name]: given });
          } catch (error) {
            const told = KeymeshError.is(error)
              ? JSON.stringify([error.message, error.details, error.cause])
              : String(error);
            expect(told).toContain(name);
            expect(told).not.toContain('cnry-');
            expect(told).not.toContain(folder);
          }
        }
      }),
    );
  });

  it('serves a service with variables of its own, exactly one of them by kind', () => {
    const schema = z
      .object(commonVariables)
      .and(
        z.discriminatedUnion('KEYMESH_KMS', [
          z.object({ KEYMESH_KMS: z.literal('local'), KEYMESH_KMS_MASTER_KEY_FILE: z.string() }),
          z.object({ KEYMESH_KMS: z.literal('aws-kms'), KEYMESH_KMS_AWS_KEY_ID: z.string() }),
        ]),
      )
      .transform((variables) => ({ ...toCommonConfig(variables), kms: variables.KEYMESH_KMS }));
    const local = { ...env, KEYMESH_KMS: 'local', KEYMESH_KMS_MASTER_KEY_FILE: '/x' };
    expect(parseConfig(schema, local).kms).toBe('local');
    expect(problemsOf({ ...local, KEYMESH_KMS: 'aws-kms' }, schema).problems).toEqual([
      'KEYMESH_KMS_AWS_KEY_ID: is required (string)',
    ]);
    expect(problemsOf({ ...env, KEYMESH_KMS: 'cnry' }, schema).text).toMatch(/KEYMESH_KMS(?!.*cnry)/);
  });

  it('reads only the database for a migration', () => {
    const { database } = parseConfig(databaseConfig, {
      KEYMESH_DATABASE_URL: env.KEYMESH_DATABASE_URL,
      KEYMESH_DATABASE_PASSWORD_FILE: env.KEYMESH_DATABASE_PASSWORD_FILE,
    });
    expect(database.url).toBe(env.KEYMESH_DATABASE_URL);
  });
});
