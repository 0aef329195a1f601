import { describe, expect, it } from '@jest/globals';
import { SERVICES } from './identity.js';
import { renderAccountsBlock, renderNatsConfig, type NatsConfigOptions } from './nats-config.js';
import {
  clientPermissions,
  enrolmentPermissions,
  identityPermissions,
  siemPermissions,
  STATIC_IDENTITIES,
  type StaticIdentity,
} from './permissions.js';

// What the server makes of this is proven on a real one: libs/mesh/test/permissions.spec.ts.
const publicNkeys = Object.fromEntries(
  STATIC_IDENTITIES.map((identity) => [identity, `U-${identity}`]),
) as Record<StaticIdentity, string>;
const options: NatsConfigOptions = {
  host: '127.0.0.1',
  port: 7422,
  jetstreamDir: '/data/a b/"quoted"/jetstream',
  publicNkeys,
  calloutIssuer: 'A-issuer',
  calloutXkey: 'X-callout',
};

describe('the configuration of nats-server', () => {
  it('is deterministic, and its accounts block stands alone', () => {
    expect(renderNatsConfig(options)).toBe(renderNatsConfig({ ...options }));
    expect(renderNatsConfig(options)).toContain(renderAccountsBlock(options));
  });

  it('syncs every write, and gives JetStream a bound that holds all streams', () => {
    const config = renderNatsConfig(options);
    expect(config).toContain('sync_interval: always');
    expect(config).toContain(`max_file_store: ${32 * 2 ** 30}`);
    expect(config).toContain('max_payload: 1048576');
  });

  it('escapes paths, and has TLS and a log file only when asked', () => {
    const config = renderNatsConfig(options);
    expect(config).toContain('store_dir: "/data/a b/\\"quoted\\"/jetstream"');
    expect(config).not.toMatch(/^tls|log_file/m);
    const full = renderNatsConfig({ ...options, tls: { certFile: 'c', keyFile: 'k' }, logFile: 'l' });
    expect(full).toMatch(/^tls \{\n {2}cert_file: "c"\n {2}key_file: "k"\n {2}min_version: "1.3"\n\}$/m);
    expect(full).toContain('log_file: "l"');
    const mutual = { certFile: 'c', keyFile: 'k', caFile: 'a', verifyClients: true };
    expect(renderNatsConfig({ ...options, tls: mutual })).toMatch(/^ {2}ca_file: "a"\n {2}verify: true$/m);
  });

  it('names every static identity as a user and as exempt from the callout, and nobody else', () => {
    const block = renderAccountsBlock(options);
    for (const identity of STATIC_IDENTITIES) expect(block.split(`"U-${identity}"`)).toHaveLength(3);
    expect(block.match(/nkey:/g)).toHaveLength(STATIC_IDENTITIES.length);
  });

  it('never uses allow_responses', () => {
    expect(renderNatsConfig(options)).not.toContain('allow_responses');
  });
});

describe('permissions', () => {
  // Where journal and feed begin and end, and the newest checkpoint: the audit service looks, it does not change.
  const auditReads = [
    'STREAM.INFO.JOURNAL',
    'STREAM.INFO.AUDIT',
    'STREAM.MSG.GET.AUDIT',
    'STREAM.MSG.GET.EVENTS',
  ];

  // How far the ledger is behind the journal.
  const vaultReads = ['STREAM.MSG.GET.JOURNAL'];

  it('let a service change no stream or consumer, and read only its own', () => {
    const own =
      /^CONSUMER\.(INFO|MSG\.NEXT|RESET)\.\w+\.[\w-]+$|^DIRECT\.GET\.KV_POLICY\.\$KV\.POLICY\.bundle$/;
    for (const service of SERVICES) {
      const api = identityPermissions(service)
        .publish.filter((subject) => subject.startsWith('$JS.API.'))
        .map((subject) => subject.slice('$JS.API.'.length));
      const beyond = api.filter((subject) => !own.test(subject));
      const allowed = service === 'audit' ? auditReads : service === 'vault' ? vaultReads : [];
      expect([service, beyond]).toEqual([service, allowed]);
    }
  });

  it('of a client hold its own token and nothing else', () => {
    expect(clientPermissions('billing')).toEqual({
      publish: ['keymesh.v1.rpc.billing.>'],
      subscribe: ['_INBOX_billing.>', 'keymesh.v1.push.billing.>'],
    });
  });

  it('of an enrolment token reach one operation', () => {
    expect(enrolmentPermissions('billing')).toEqual({
      publish: ['keymesh.v1.rpc.billing.policy.principal.enrol'],
      subscribe: ['_INBOX_billing.>'],
    });
  });

  it('of a SIEM are its consumer and the two feeds', () => {
    expect(siemPermissions('splunk')).toEqual({
      publish: [
        '$JS.API.CONSUMER.INFO.AUDIT.siem',
        '$JS.API.CONSUMER.MSG.NEXT.AUDIT.siem',
        '$JS.ACK.AUDIT.siem.>',
      ],
      subscribe: ['_INBOX_splunk.>', 'keymesh.v1.audit.>', 'keymesh.v1.alert.>'],
    });
  });
});
