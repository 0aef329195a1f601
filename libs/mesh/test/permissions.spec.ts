import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  clientPermissions,
  CONSUMERS,
  identityPermissions,
  SERVICES,
  STATIC_IDENTITIES,
  subjects,
  type ServiceName,
  type StaticIdentity,
} from '@keymesh/contracts';
import { eventually, startTestMesh, type TestMesh } from '@keymesh/testing';
import { createUser } from '@nats-io/nkeys';
import { Secret } from '@keymesh/kernel';
import { connectMesh, publishEvent, type MeshConnection } from '../src/index.js';
import { makeBusProbe, type BusProbe } from './bus-probe.js';

let mesh: TestMesh;
const probes = new Map<string, BusProbe>();
const connections = new Map<string, MeshConnection>();

beforeAll(async () => {
  mesh = await startTestMesh();
  const people = [
    ...STATIC_IDENTITIES.map((identity) => [identity, identity] as const),
    ['client', mesh.addPrincipal('billing')] as const,
    ['siem', mesh.addPrincipal('splunk', ['siem'])] as const,
  ];
  for (const [name, who] of people) {
    const connection = await mesh.connectAs(who);
    connections.set(name, connection);
    probes.set(name, makeBusProbe(connection.nats));
  }
});
afterAll(() => mesh.stop());

const probe = (who: string): BusProbe => probes.get(who)!;
const connection = (who: string): MeshConnection => connections.get(who)!;

// Things that somebody may publish, and who alone may.
const publishing: readonly (readonly [subject: string, allowed: readonly string[]])[] = [
  ...SERVICES.map((service) => [`keymesh.v1.rpc._${service}.vault.credential.retrieve`, [service]] as const),
  ...SERVICES.map((service) => [subjects.journal(service), [service]] as const),
  ...SERVICES.map((service) => [subjects.event(service, 'version', 'promoted'), [service]] as const),
  ...SERVICES.map((service) => [subjects.invalidate(service), [service]] as const),
  ...SERVICES.map((service) => [`_INBOX__${service}.x.y`, SERVICES] as const),
  ['keymesh.v1.rpc.billing.vault.credential.retrieve', ['client']],
  ['keymesh.v1.rpc.other.vault.credential.retrieve', []],
  ['keymesh.v1.audit.vault.credential.retrieved', ['audit']],
  ['keymesh.v1.alert.high.denied-burst', ['anomaly-detector']],
  [subjects.riskScored, ['anomaly-detector']],
  ['keymesh.v1.alert.critical.journal-gap', ['anomaly-detector', 'audit']],
  ['keymesh.v1.push.billing.credential.rotated', ['rotation']],
  ['keymesh.v1.push.billing.principal.disabled', []],
  ['_INBOX_billing.x.y', []],
  ['_INBOX_splunk.x.y', []],
  ['_INBOX__deploy.x.y', []],
  ['_R_.abc.def', SERVICES],
  ['$KV.POLICY.bundle', ['policy']],
  ['$KV.POLICY.other', []],
  ['$SYS._INBOX.abc', ['policy']],
  ['$SYS.REQ.USER.AUTH', []],
  ['$SYS.REQ.SERVER.ABC.KICK', ['sys']],
  ['$SYS.REQ.SERVER.PING.CONNZ', ['sys']],
  ['$SYS.REQ.SERVER.ABC.RELOAD', []],
  ['$SYS.REQ.ACCOUNT.MESH.CLAIMS.UPDATE', []],
  ['$JS.API.INFO', ['deploy']],
  ['$JS.API.STREAM.CREATE.AUDIT', ['deploy']],
  ['$JS.API.STREAM.UPDATE.AUDIT', ['deploy']],
  ['$JS.API.STREAM.INFO.JOURNAL', ['audit', 'deploy']],
  ['$JS.API.STREAM.INFO.AUDIT', ['audit', 'deploy']],
  ['$JS.API.STREAM.INFO.EVENTS', ['deploy']],
  ['$JS.API.STREAM.MSG.GET.AUDIT', ['audit']],
  ['$JS.API.STREAM.MSG.GET.EVENTS', ['audit']],
  ['$JS.API.STREAM.DELETE.AUDIT', []],
  ['$JS.API.STREAM.PURGE.AUDIT', []],
  ['$JS.API.STREAM.MSG.DELETE.AUDIT', []],
  ['$JS.API.STREAM.MSG.GET.JOURNAL', ['vault']],
  ['$JS.API.CONSUMER.INFO.JOURNAL.ledger', ['vault', 'audit', 'deploy']],
  ['$JS.API.DIRECT.GET.JOURNAL', []],
  ['$JS.API.STREAM.SNAPSHOT.JOURNAL', []],
  ['$JS.API.STREAM.RESTORE.JOURNAL', []],
  ['$JS.API.CONSUMER.CREATE.JOURNAL.spy', ['deploy']],
  ['$JS.API.CONSUMER.DURABLE.CREATE.JOURNAL.spy', ['deploy']],
  ['$JS.API.CONSUMER.DELETE.JOURNAL.ledger', []],
  ['$JS.API.DIRECT.GET.KV_POLICY.$KV.POLICY.bundle', SERVICES],
  ['$JS.API.DIRECT.GET.KV_POLICY', []],
  ...Object.values(CONSUMERS).flatMap(
    ({ stream, durable, owner }) =>
      [
        [`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, [owner]],
        [`$JS.ACK.${stream}.${durable}.1.1.1.1.0`, [owner]],
        [`$JS.API.CONSUMER.RESET.${stream}.${durable}`, owner === 'siem' ? [] : [owner]],
      ] as const,
  ),
];

const everybody = [...STATIC_IDENTITIES, 'client', 'siem'];
const others = ['deploy', 'sys', 'client', 'siem'];

const subscribing: readonly (readonly [subject: string, allowed: readonly string[]])[] = [
  ...SERVICES.map((service) => [subjects.rpcOf(service), [service]] as const),
  ...SERVICES.map((service) => [`_INBOX__${service}.>`, [service]] as const),
  ['_INBOX_billing.>', ['client']],
  ['_INBOX_splunk.>', ['siem']],
  ['_INBOX.>', []],
  ['_INBOX_*.>', []],
  ['_R_.>', []],
  ['>', []],
  ['*', []],
  ['keymesh.>', []],
  ['keymesh.v1.rpc.>', []],
  ['keymesh.v1.rpc.billing.>', []],
  ['keymesh.v1.journal.>', []],
  ['keymesh.v1.journal.vault', []],
  ['keymesh.v1.evt.>', []],
  ['keymesh.v1.audit.>', ['siem']],
  ['keymesh.v1.alert.>', ['siem']],
  ['keymesh.v1.push.>', []],
  ['keymesh.v1.push.billing.>', ['client']],
  ['keymesh.v1.push.other.>', []],
  ['$KV.POLICY.bundle', SERVICES],
  ['$KV.>', []],
  ['$SYS.REQ.USER.AUTH', ['policy']],
  ['$SYS.>', []],
  ['$JS.>', []],
  ['$JS.API.>', []],
  ['$JS.EVENT.ADVISORY.>', []],
];

describe('what the server lets each identity do', () => {
  it.each(publishing)('lets only its owners publish %s', async (subject, allowed) => {
    for (const who of everybody) {
      expect([who, await probe(who).mayPublish(subject)]).toEqual([who, allowed.includes(who)]);
    }
  });

  it.each(subscribing)('lets only its owners subscribe %s', async (subject, allowed) => {
    for (const who of everybody) {
      expect([who, await probe(who).maySubscribe(subject)]).toEqual([who, allowed.includes(who)]);
    }
  });

  it('gives nobody allow_responses, a wildcard over everything, or the JetStream API whole', () => {
    const lists = [...STATIC_IDENTITIES.map(identityPermissions), clientPermissions('billing')];
    for (const { publish, subscribe } of lists) {
      for (const subject of [...publish, ...subscribe]) {
        expect(['>', '*', '_INBOX.>', '$JS.>', '$JS.API.>', '$SYS.>', 'keymesh.>']).not.toContain(subject);
      }
    }
    expect(others).toHaveLength(4);
  });
});

describe('replies', () => {
  const ask = async (who: string, subject: string, reply: string): Promise<string | undefined> => {
    let seen: string | undefined;
    const arrived = new Promise<void>((resolve) => {
      const subscription = connection('vault').nats.subscribe(subjects.rpcOf('vault'), {
        queue: 'vault',
        callback: (_error, msg) => {
          seen = msg.reply;
          msg.respond('spoofed');
          subscription.unsubscribe();
          resolve();
        },
      });
    });
    await connection('vault').nats.flush();
    connection(who).nats.publish(subject, '{}', { reply });
    await connection(who).nats.flush();
    await arrived;
    await connection('vault').nats.flush();
    return seen;
  };
  const auditMessages = async (): Promise<number> => {
    const manager = await deployManager();
    return (await manager.streams.info('AUDIT')).state.messages;
  };
  const deployManager = async () => {
    const { jetstreamManager } = await import('@nats-io/jetstream');
    return jetstreamManager(connection('deploy').nats, { checkAPI: false });
  };

  it.each([
    'keymesh.v1.audit.vault.credential.retrieved',
    '$JS.API.STREAM.DELETE.AUDIT',
    'keymesh.v1.journal.vault',
  ])(
    'of a client to %s reach nothing: the service sees only a reply subject that the server made',
    async (reply) => {
      const before = await auditMessages();
      const seen = await ask('client', 'keymesh.v1.rpc.billing.vault.credential.retrieve', reply);
      expect(seen).toMatch(/^_R_\./);
      expect(await auditMessages()).toBe(before);
    },
  );

  it('of a service to a subject that the answering one could not write arrive as they are, so the dispatcher must look', async () => {
    const seen = await ask(
      'audit',
      'keymesh.v1.rpc._audit.vault.credential.retrieve',
      'keymesh.v1.journal.vault',
    );
    expect(seen).toBe('keymesh.v1.journal.vault');
  });
});

describe('the account SIEM', () => {
  it('pulls its durable consumer, acknowledges, and sees the live feed', async () => {
    const live: string[] = [];
    connection('siem').nats.subscribe('keymesh.v1.audit.>', {
      callback: (_error, msg) => void live.push(msg.subject),
    });
    await connection('siem').nats.flush();
    const subject = subjects.audit('vault', 'credential', 'retrieved');
    await publishEvent(connection('audit'), subject, 'event-1', new TextEncoder().encode('{"a":1}'));
    await publishEvent(connection('audit'), subject, 'event-2', new TextEncoder().encode('{"a":2}'));
    await eventually(() => expect(live).toHaveLength(2));

    const pulled = await siemPull(10);
    const bodies = pulled.map(({ body }) => body);
    expect(bodies).toEqual(expect.arrayContaining(['{"a":1}', '{"a":2}']));
    await eventually(async () => expect(await siemInfo()).toMatchObject({ num_ack_pending: 0 }));
  });

  it('is answered about its consumer once, and by MESH', async () => {
    const answers: unknown[] = [];
    const { nats } = connection('siem');
    nats.subscribe('_INBOX_splunk.info', { callback: (_error, msg) => void answers.push(msg.json()) });
    nats.publish('$JS.API.CONSUMER.INFO.AUDIT.siem', '', { reply: '_INBOX_splunk.info' });
    await eventually(() => expect(answers.length).toBeGreaterThan(0));
    await siemInfo(); // whatever else was to come is here now
    expect(answers).toEqual([expect.objectContaining({ stream_name: 'AUDIT', name: 'siem' })]);
  });

  const siemInfo = async (): Promise<{ num_ack_pending: number; num_pending: number }> =>
    (await connection('siem').nats.request('$JS.API.CONSUMER.INFO.AUDIT.siem')).json();

  /** As any NATS client would: one inbox, one request, many messages, an acknowledgement each. */
  const siemPull = async (batch: number): Promise<{ body: string }[]> => {
    const { nats } = connection('siem');
    const inbox = `_INBOX_splunk.pull.${Math.floor(performance.now())}`;
    const pulled: { body: string }[] = [];
    const ended = new Promise<void>((resolve) => {
      nats.subscribe(inbox, {
        callback: (_error, msg) => {
          if ((msg.headers?.code ?? 0) !== 0) {
            resolve();
            return;
          }
          pulled.push({ body: msg.string() });
          msg.respond('+ACK');
        },
      });
    });
    const request = JSON.stringify({ batch, no_wait: true });
    nats.publish('$JS.API.CONSUMER.MSG.NEXT.AUDIT.siem', request, { reply: inbox });
    await ended;
    return pulled;
  };
});

describe('connections', () => {
  it('are refused to an unknown key', async () => {
    const stranger = new Secret(createUser().getSeed(), 'nkey-seed');
    await expect(
      connectMesh({ servers: mesh.url, nkeySeed: stranger, principal: 'billing' }),
    ).rejects.toMatchObject({ code: 'DENIED' });
  });

  it('say MESH_NOT_RUNNING when nobody listens', async () => {
    const stranger = new Secret(createUser().getSeed(), 'nkey-seed');
    await expect(
      connectMesh({ servers: 'nats://127.0.0.1:1', nkeySeed: stranger, principal: 'billing' }),
    ).rejects.toMatchObject({ code: 'MESH_NOT_RUNNING' });
  });

  it('of a client are not put into MESH, whatever name it gives', async () => {
    const evil = mesh.addPrincipal('evil');
    const { nats } = await mesh.connectAs({ ...evil, name: '_vault' });
    const spy = makeBusProbe(nats);
    expect(await spy.mayPublish(subjects.journal('vault'))).toBe(false);
    expect(await spy.maySubscribe(subjects.rpcOf('vault' satisfies ServiceName))).toBe(false);
    const identities: readonly StaticIdentity[] = STATIC_IDENTITIES;
    expect(identities).toContain('vault');
  });
});
