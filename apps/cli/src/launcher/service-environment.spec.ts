import { describe, expect, it } from '@jest/globals';
import { SERVICES } from '@keymesh/contracts';
import { parseLauncherConfig } from './config.js';
import { homeAt } from './home.js';
import { databaseUrlOf } from './postgres.js';
import {
  describeRootKey,
  migrationEnvironment,
  serviceEnvironment,
  tracingVariables,
} from './service-environment.js';

const home = homeAt('/home of keys');
const places = {
  natsUrl: 'nats://127.0.0.1:1',
  databaseUrl: 'postgres://admin@h:5/postgres?sslmode=require',
  httpPort: 7,
  meshId: 'm',
};

describe("a service's environment", () => {
  it('names secrets by file, each service its own, and shows no other of ours', () => {
    const config = parseLauncherConfig({ PATH: '/bin', SOME_TOKEN: 'CANARY' }, []);
    for (const service of SERVICES) {
      const env = serviceEnvironment(service, config, home, places);
      expect(JSON.stringify(env)).not.toContain('CANARY');
      for (const [name, value] of Object.entries(env)) {
        if (!/SEED|PASSWORD|STATE_KEY/.test(name)) continue;
        expect(name).toMatch(/_FILE$/);
        expect(
          value.startsWith(`/home of keys/secrets/${service}/`) || name === 'KEYMESH_SYS_SEED_FILE',
        ).toBe(true);
      }
    }
  });

  it('gives no service the key of another', () => {
    const config = parseLauncherConfig({}, []);
    const names = (service: (typeof SERVICES)[number]) =>
      Object.keys(serviceEnvironment(service, config, home, places));
    expect(names('vault')).toContain('KEYMESH_KMS_MASTER_KEY_FILE');
    for (const other of SERVICES.filter((service) => service !== 'vault')) {
      expect(names(other).filter((name) => name.startsWith('KEYMESH_KMS'))).toEqual([]);
    }
    for (const other of SERVICES.filter((service) => service !== 'policy')) {
      expect(names(other).filter((name) => /CALLOUT|BUNDLE|SYS_SEED/.test(name))).toEqual([]);
    }
    for (const other of SERVICES.filter((service) => service !== 'audit'))
      expect(names(other)).not.toContain('KEYMESH_CHECKPOINT_SEED_FILE');
  });

  it('connects each service as its own role, migrations as the deploy role', () => {
    const config = parseLauncherConfig({}, []);
    expect(serviceEnvironment('anomaly-detector', config, home, places).KEYMESH_DATABASE_URL).toBe(
      'postgres://keymesh_anomaly_detector@h:5/keymesh?sslmode=require',
    );
    expect(migrationEnvironment(config, home, places.databaseUrl).KEYMESH_DATABASE_URL).toBe(
      'postgres://keymesh_deploy@h:5/keymesh?sslmode=require',
    );
    expect(databaseUrlOf('postgres://a@127.0.0.1:7432/postgres', 'r')).toBe(
      'postgres://r@127.0.0.1:7432/keymesh',
    );
  });

  it("sends traces to the launcher, sampled, unless the user's own variables say otherwise", () => {
    expect(tracingVariables({}, 7400)).toEqual({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:7400',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '1000',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.01',
    });
    expect(
      tracingVariables({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_TRACES_SAMPLER: 'always_on' }, 7400),
    ).toEqual({});
    expect(tracingVariables({ OTEL_TRACES_SAMPLER_ARG: '0.5' }, 1)).toMatchObject({
      OTEL_TRACES_SAMPLER_ARG: '0.5',
    });
  });

  it('says how the root key is kept', () => {
    const kms = (env: NodeJS.ProcessEnv) => describeRootKey(parseLauncherConfig(env, []).kms);
    expect(kms({})).toBe('file only');
    expect(kms({ KEYMESH_KMS_PASSPHRASE_FILE: '/p' })).toBe('file + passphrase');
    expect(kms({ KEYMESH_KMS: 'aws-kms' })).toBe('aws-kms');
    const members = { KEYMESH_KMS_MEMBERS: 'pkcs11,local' };
    expect(kms({ KEYMESH_KMS: 'any-of', ...members })).toBe('any of pkcs11,local (as strong as the weakest)');
    expect(kms({ KEYMESH_KMS: 'all-of', ...members })).toBe('all of pkcs11,local');
  });

  it("hands what is set of a KMS to the vault and to its tasks, and the master key's file where it is used", () => {
    const pkcs11 = { KEYMESH_KMS_PKCS11_MODULE: '/m.so', KEYMESH_KMS_PKCS11_PIN_FILE: '/pin' };
    const of = (env: NodeJS.ProcessEnv) => {
      const config = parseLauncherConfig(env, []);
      const all = serviceEnvironment('vault', config, home, places);
      return Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith('KEYMESH_KMS')));
    };
    expect(of({ KEYMESH_KMS: 'pkcs11', ...pkcs11 })).toEqual({ KEYMESH_KMS: 'pkcs11', ...pkcs11 });
    expect(of({ KEYMESH_KMS: 'any-of', KEYMESH_KMS_MEMBERS: 'pkcs11,local', ...pkcs11 })).toEqual({
      KEYMESH_KMS: 'any-of',
      KEYMESH_KMS_MEMBERS: 'pkcs11,local',
      KEYMESH_KMS_MASTER_KEY_FILE: home.masterKey,
      ...pkcs11,
    });
    expect(of({ KEYMESH_KMS_MASTER_KEY_FILE: '/other', KEYMESH_KMS_LOCAL_KDF: 'argon2id' })).toEqual({
      KEYMESH_KMS: 'local',
      KEYMESH_KMS_MASTER_KEY_FILE: home.masterKey,
      KEYMESH_KMS_LOCAL_KDF: 'argon2id',
    });
  });
});
