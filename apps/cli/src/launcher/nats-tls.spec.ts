import { describe, expect, it } from '@jest/globals';
import { SERVICES } from '@keymesh/contracts';
import { parseLauncherConfig } from './config.js';
import { homeAt } from './home.js';
import { natsTlsOf } from './nats-tls.js';
import { serviceEnvironment } from './service-environment.js';

const home = homeAt('/home of keys');
const places = {
  natsUrl: 'tls://bus:4222',
  databaseUrl: 'postgres://a@h:5/postgres',
  httpPort: 7,
  meshId: 'm',
};

describe('the certificate for a NATS server that asks for one', () => {
  it('reaches every service, and whatever the launcher itself asks the server', () => {
    const named = {
      KEYMESH_NATS_CA_FILE: '/ca.pem',
      KEYMESH_NATS_CERT_FILE: '/c.pem',
      KEYMESH_NATS_KEY_FILE: '/k.pem',
    };
    const config = parseLauncherConfig({ KEYMESH_NATS_URL: 'tls://bus:4222', ...named }, []);
    for (const service of SERVICES)
      expect(serviceEnvironment(service, config, home, places)).toMatchObject(named);
    expect(natsTlsOf(config)).toEqual({ caFile: '/ca.pem', certFile: '/c.pem', keyFile: '/k.pem' });
    expect(natsTlsOf(parseLauncherConfig({}, []))).toBeUndefined();
  });
});
