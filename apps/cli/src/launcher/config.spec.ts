import { describe, expect, it } from '@jest/globals';
import { parseLauncherConfig } from './config.js';

const problem = (env: NodeJS.ProcessEnv, args: string[] = []): { code: string; message: string } => {
  try {
    parseLauncherConfig(env, args);
  } catch (error) {
    return error as { code: string; message: string };
  }
  return { code: 'none', message: '' };
};

describe('the settings of the launcher', () => {
  it('have defaults for everything', () => {
    const config = parseLauncherConfig({}, []);
    expect(config).toMatchObject({
      autoPorts: false,
      dev: false,
      natsUrl: undefined,
      database: undefined,
      plainReply: 'allow',
      kms: { name: 'local', variables: {} },
      ports: { http: { port: 7400 }, nats: { port: 7422 }, postgres: { port: 7432 } },
    });
    expect(config.home).toMatch(/\/\.keymesh$/);
  });

  it('take an empty variable for an unset one', () => {
    expect(parseLauncherConfig({ KEYMESH_NATS_URL: '', KEYMESH_HTTP_PORT: '' }, [])).toMatchObject({
      natsUrl: undefined,
      ports: { http: { port: 7400 } },
    });
  });

  it('allow plain replies on a bus of our own only, unless told', () => {
    expect(parseLauncherConfig({ KEYMESH_NATS_URL: 'nats://bus:4222' }, []).plainReply).toBe('never');
    expect(parseLauncherConfig({ KEYMESH_PLAIN_REPLY: 'never' }, []).plainReply).toBe('never');
  });

  it('take automatic ports from the option and the variable', () => {
    expect(parseLauncherConfig({}, ['--auto-ports']).autoPorts).toBe(true);
    expect(parseLauncherConfig({ KEYMESH_AUTO_PORTS: 'true' }, []).autoPorts).toBe(true);
  });

  it('tell all problems at once, by variable and rule, never the value', () => {
    const { code, message } = problem({
      KEYMESH_HTTP_PORT: 'CANARY',
      KEYMESH_NATS_PORT: '70000',
      KEYMESH_AUTO_PORTS: 'CANARY',
      KEYMESH_DATABASE_URL: 'postgres://a:CANARY@h/b',
    });
    expect(code).toBe('CONFIG_INVALID');
    for (const name of ['HTTP_PORT', 'NATS_PORT', 'AUTO_PORTS', 'DATABASE_URL'])
      expect(message).toContain(`KEYMESH_${name}`);
    expect(message).not.toContain('CANARY');
  });

  it('refuse an unknown option', () => {
    expect(problem({}, ['--auto-port']).code).toBe('USAGE');
  });

  it('pass on only what children need', () => {
    const { passed, kms } = parseLauncherConfig(
      {
        PATH: '/bin',
        AWS_SECRET_ACCESS_KEY: 'CANARY',
        GITHUB_TOKEN: 'CANARY',
        OTEL_TRACES_SAMPLER: 'always_on',
        NODE_OPTIONS: '--inspect',
      },
      [],
    );
    expect(passed).toEqual({ PATH: '/bin', OTEL_TRACES_SAMPLER: 'always_on' });
    expect(kms).toEqual({ name: 'local', variables: {} });
  });

  it('pass on what tunes a service, and no place, key or secret', () => {
    const tuning = {
      KEYMESH_DETECTOR_BURST_DENIALS: '20',
      KEYMESH_MAX_BUNDLE_AGE_SECONDS: '3600',
      KEYMESH_MAX_UNLEDGERED_SECONDS: '3600',
      KEYMESH_RATE_LIMIT_PER_SECOND: '50',
      KEYMESH_ROTATION_SCHEDULE_POLL_SECONDS: '5',
      KEYMESH_STALE_FOR_SECONDS: '60',
      KEYMESH_VERSION_CACHE_MIB: '8',
    };
    const others = { KEYMESH_STATE_KEY_FILE: '/CANARY', KEYMESH_DATABASE_URL: 'postgres://a@h/b' };
    expect(parseLauncherConfig({ ...tuning, ...others }, []).passed).toEqual(tuning);
  });

  it("hand a cloud KMS's variables to the vault's choice only, and none of them to a local one", () => {
    const cloud = {
      AWS_REGION: 'r',
      AZURE_TENANT_ID: 't',
      AZURE_FEDERATED_TOKEN_FILE: '/t',
      GOOGLE_APPLICATION_CREDENTIALS: '/c',
    };
    const own = { KEYMESH_KMS_AWS_KEY_ID: 'k', KEYMESH_KMS_PKCS11_MODULE: '/m.so' };
    const { kms, passed } = parseLauncherConfig({ KEYMESH_KMS: 'aws-kms', ...own, ...cloud }, []);
    expect(kms).toEqual({ name: 'aws-kms', variables: { ...own, ...cloud } });
    expect(passed).toEqual({});
    expect(parseLauncherConfig({ ...own, ...cloud }, []).kms).toEqual({ name: 'local', variables: own });
  });
});
