import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Keymesh, Profile } from '@keymesh/client';
import { createPrincipal, SERVICES, SESSION_USER, sessionAskerOf, setIdentityRule } from '@keymesh/contracts';
import { fromBase64Url, HOUR, Secret, signingKeyOf } from '@keymesh/kernel';
import { enrolmentIdOf, makeEnrolmentToken, signStatement } from '@keymesh/policy-engine';
import { eventually } from '@keymesh/testing';
import { createUser, fromSeed, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';
import {
  connect,
  nkeyAuthenticator,
  PermissionViolationError,
  type NatsConnection,
} from '@nats-io/transport-node';
import { readLog } from './support/audit-log.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { startMesh, type RunningMesh } from './support/running-mesh.js';

// Who may publish and hear what, tried on the real server with its real configuration. The tables below are written by hand and not made of the
// configuration: what is allowed stands there, everything else must be refused. `SELF` is the identity's own principal, `OTHER` another client.
jest.setTimeout(120_000);
const run = Date.now().toString(36);
const OTHER = `other-${run}`;
// `session`: somebody with a token or certificate and no keys yet. First, because its connection lives for a minute.
const IDENTITIES = ['session', 'client', 'siem', 'invited', ...SERVICES, 'deploy', 'sys'] as const;
type Identity = (typeof IDENTITIES)[number];
const ALL_SERVICES: readonly Identity[] = SERVICES;
const NOBODY: readonly Identity[] = [];

const PUBLISH: readonly (readonly [subject: string, allowed: readonly Identity[]])[] = [
  ['keymesh.v1.rpc.SELF.vault.credential.describe', ['client', ...ALL_SERVICES]],
  ['keymesh.v1.rpc.SELF.policy.principal.enrol', ['client', 'invited', ...ALL_SERVICES]],
  ['keymesh.v1.rpc.SELF.policy.session.open', ['session', 'client', ...ALL_SERVICES]],
  ['keymesh.v1.rpc.SELF.policy.channel.describe', ['session', 'client', ...ALL_SERVICES]],
  ['keymesh.v1.rpc.SELF.vault.channel.describe', ['client', ...ALL_SERVICES]],
  [`keymesh.v1.rpc.${OTHER}.policy.session.open`, NOBODY],
  [`keymesh.v1.rpc.${OTHER}.vault.credential.describe`, NOBODY],
  ['keymesh.v1.rpc.operator.vault.credential.describe', NOBODY],
  ['keymesh.v1.rpc._rotation.vault.version.reveal', ['rotation']],
  ['keymesh.v1.rpc._vault.policy.principal.disable', ['vault']],
  ['keymesh.v1.journal.vault', ['vault']],
  ['keymesh.v1.journal.audit', ['audit']],
  ['keymesh.v1.evt.vault.credential.matrix', ['vault']],
  ['keymesh.v1.evt.policy.principal.matrix', ['policy']],
  ['keymesh.v1.audit.vault.credential.matrix', ['audit']],
  ['keymesh.v1.alert.high.journal-gap', ['audit', 'anomaly-detector']],
  ['keymesh.v1.alert.high.matrix', ['anomaly-detector']],
  [`keymesh.v1.push.${OTHER}.credential.rotated`, ['rotation']],
  [`keymesh.v1.push.${OTHER}.credential.matrix`, NOBODY],
  ['keymesh.v1.sync.vault.invalidate', ['vault']],
  ['keymesh.v1.sync.policy.invalidate', ['policy']],
  ['keymesh.v1.sync.vault.bundle', ['vault']],
  ['keymesh.v1.sync.policy.bundle', ['policy']],
  ['keymesh.v1.sync.anomaly-detector.risk', ['anomaly-detector']],
  [`_INBOX_${OTHER}.guessed`, NOBODY],
  ['_INBOX__vault.guessed', ALL_SERVICES],
  ['$JS.API.STREAM.INFO.JOURNAL', ['audit', 'deploy']],
  ['$JS.API.STREAM.DELETE.JOURNAL', NOBODY],
  ['$JS.API.STREAM.PURGE.JOURNAL', NOBODY],
  ['$JS.API.STREAM.MSG.DELETE.JOURNAL', NOBODY],
  ['$JS.API.STREAM.SNAPSHOT.JOURNAL', NOBODY],
  ['$JS.API.STREAM.RESTORE.JOURNAL', NOBODY],
  ['$JS.API.STREAM.UPDATE.MATRIX', ['deploy']],
  ['$JS.API.STREAM.CREATE.MATRIX', ['deploy']],
  ['$JS.API.STREAM.MSG.GET.JOURNAL', ['vault']],
  ['$JS.API.STREAM.MSG.GET.AUDIT', ['audit']],
  ['$JS.API.DIRECT.GET.JOURNAL', NOBODY],
  ['$JS.API.CONSUMER.CREATE.JOURNAL.matrix', ['deploy']],
  ['$JS.API.CONSUMER.DELETE.JOURNAL.ledger', NOBODY],
  ['$JS.API.CONSUMER.PAUSE.JOURNAL.ledger', NOBODY],
  ['$JS.API.CONSUMER.MSG.NEXT.JOURNAL.ledger', ['audit']],
  ['$JS.API.CONSUMER.MSG.NEXT.AUDIT.siem', ['siem']],
  ['$JS.API.CONSUMER.MSG.NEXT.AUDIT.detector', ['anomaly-detector']],
  ['$JS.API.ACCOUNT.PURGE.MESH', NOBODY],
  ['$KV.OTHER.key', NOBODY],
  ['$SYS.REQ.SERVER.PING', NOBODY],
  ['$SYS.REQ.ACCOUNT.MESH.CONNZ', NOBODY],
  ['$SYS.REQ.USER.AUTH', NOBODY],
  ['$SYS.REQ.SERVER.matrix.CONNZ', ['sys']],
  ['$SYS.REQ.SERVER.matrix.RELOAD', NOBODY],
  ['elsewhere', NOBODY],
];

const SUBSCRIBE: readonly (readonly [subject: string, allowed: readonly Identity[]])[] = [
  ['_INBOX_SELF.>', IDENTITIES],
  [`_INBOX_${OTHER}.>`, NOBODY],
  ['_INBOX.>', NOBODY],
  ['*.>', NOBODY],
  ['>', NOBODY],
  ['*', NOBODY],
  ['keymesh.>', NOBODY],
  ['keymesh.v1.push.SELF.>', ['client']],
  [`keymesh.v1.push.${OTHER}.>`, NOBODY],
  ['keymesh.v1.push.*.>', NOBODY],
  ['keymesh.v1.rpc.*.vault.>', ['vault']],
  ['keymesh.v1.rpc.*.policy.>', ['policy']],
  ['keymesh.v1.rpc.>', NOBODY],
  [`keymesh.v1.rpc.${OTHER}.>`, NOBODY],
  ['keymesh.v1.journal.*', NOBODY],
  ['keymesh.v1.evt.>', NOBODY],
  ['keymesh.v1.audit.>', ['siem']],
  ['keymesh.v1.alert.>', ['siem']],
  ['keymesh.v1.sync.vault.invalidate', ['vault']],
  ['keymesh.v1.sync.*.bundle', ['policy']],
  ['keymesh.v1.sync.vault.bundle', ['policy']],
  ['keymesh.v1.sync.anomaly-detector.risk', ALL_SERVICES],
  ['keymesh.v1.sync.>', NOBODY],
  ['$KV.POLICY.bundle', ALL_SERVICES],
  ['$KV.>', NOBODY],
  ['$JS.>', NOBODY],
  ['$JS.API.>', NOBODY],
  ['$SYS.>', NOBODY],
  ['$SYS.REQ.USER.AUTH', ['policy']],
  ['$SYS.ACCOUNT.*.CONNECT', NOBODY],
  ['_R_.>', NOBODY],
];

interface Peer {
  readonly principal: string;
  readonly nats: NatsConnection;
  /** What the server refused, as `publish subject`. */
  readonly refused: Set<string>;
}

let mesh: RunningMesh;
let operator: Keymesh;
let operatorProfile: Profile;
const peers = new Map<Identity, Peer>();

beforeAll(async () => {
  mesh = await startMesh();
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  operatorProfile = first.profile;
  const client = await enrolAs(mesh, first, `client-${run}`, ['reader']);
  const siem = await enrolAs(mesh, first, `siem-${run}`, ['siem']);
  await enrolAs(mesh, first, OTHER, ['reader']);
  const invited = await invite(`invited-${run}`);
  await joinAs('client', client.principal, client.nkeySeed);
  await joinAs('siem', siem.principal, siem.nkeySeed);
  await joinAs('invited', `invited-${run}`, invited);
  for (const identity of [...SERVICES, 'deploy', 'sys'] as const) {
    const seed = await readFile(join(mesh.home, 'secrets', identity, 'nats.seed'), 'utf8');
    await joinAs(identity, `_${identity}`, seed.trim());
  }
  await allowProofs();
  const stranger = createUser();
  const asker = sessionAskerOf(stranger.getPublicKey());
  await joinAs('session', asker, Buffer.from(stranger.getSeed()).toString('utf8'), { user: SESSION_USER });
}, 420_000);
afterAll(async () => {
  await Promise.all([...peers.values()].map(({ nats }) => nats.close()));
  await operator.close();
  await mesh[Symbol.asyncDispose]();
}, 120_000);

async function joinAs(identity: Identity, principal: string, seed: string, said = {}): Promise<void> {
  const byKey = nkeyAuthenticator(Buffer.from(seed));
  const nats = await connect({
    servers: mesh.natsUrl,
    authenticator: (nonce) => ({ ...byKey(nonce), ...said }) as ReturnType<typeof byKey>,
    inboxPrefix: `_INBOX_${principal}`,
    // The server writes this name into the line that tells of a violation.
    name: `x" - "CLIENTS/user:${OTHER}" - Publish Violation - Subject "y`,
    timeout: 20_000,
  });
  const refused = new Set<string>();
  void (async () => {
    for await (const status of nats.status())
      if (status.type === 'error' && status.error instanceof PermissionViolationError)
        refused.add(`${status.error.operation} ${status.error.subject}`);
  })();
  peers.set(identity, { principal, nats, refused });
}

/** Some rule, so that strangers may ask for sessions at all. */
async function allowProofs(): Promise<void> {
  const operatorSeed = new Secret(fromBase64Url(operatorProfile.channelSeed) ?? new Uint8Array(), 'spec');
  const statement = signStatement(
    {
      ...{ v: 1, meshId: operatorProfile.meshId, statementId: randomUUID() },
      issuedAt: new Date().toISOString(),
      issuer: operatorProfile.principal,
      type: 'identity-rule.set',
      ruleId: `matrix-${run}`,
      rule: {
        principal: OTHER,
        identity: {
          ...{ kind: 'token', issuer: 'matrix', audience: 'keymesh', claims: { sub: OTHER } },
          keys: { from: 'pinned', keys: [{ kty: 'OKP', crv: 'Ed25519', x: operatorProfile.meshPublicKey }] },
        },
        maxSessionSeconds: 60,
        privileged: false,
      },
      basedOn: null,
    },
    signingKeyOf(operatorSeed),
  );
  await operator.call(setIdentityRule, { statement }, { deadlineMs: 20_000 });
}

/** An operator's invitation. @returns the nkey seed with which its bearer may connect, for nothing but to enrol. */
async function invite(name: string): Promise<string> {
  const { connectSeed, signSeed, token } = makeEnrolmentToken({
    principal: name,
    meshPublicKey: operatorProfile.meshPublicKey,
  });
  token.dispose();
  const tokenKey = signingKeyOf(signSeed).publicKeyText;
  // EXPOSE: the nkey library takes the encoded seed.
  const encoded = Codec.encodeSeed(Prefix.User, connectSeed.expose());
  const operatorSeed = new Secret(fromBase64Url(operatorProfile.channelSeed) ?? new Uint8Array(), 'spec');
  const statement = signStatement(
    {
      v: 1,
      meshId: operatorProfile.meshId,
      type: 'enrolment.issued',
      principal: name,
      statementId: enrolmentIdOf(tokenKey),
      issuedAt: new Date().toISOString(),
      issuer: operatorProfile.principal,
      kind: 'service',
      roles: ['reader'],
      tokenNkey: fromSeed(encoded).getPublicKey(),
      tokenKey,
      expiresAt: new Date(Date.now() + HOUR).toISOString(),
    },
    signingKeyOf(operatorSeed),
  );
  await operator.call(createPrincipal, { statement }, { deadlineMs: 20_000 });
  return Buffer.from(encoded).toString('utf8');
}

const peerOf = (identity: Identity): Peer => {
  const peer = peers.get(identity);
  if (peer === undefined) throw new Error(`${identity} is not connected`);
  return peer;
};
const allowedIn = (table: typeof PUBLISH, identity: Identity): string[] =>
  table.filter(([, allowed]) => allowed.includes(identity)).map(([subject]) => subject);

/** Tries every subject of a table. @returns those that were let through. */
async function tryAll(
  table: typeof PUBLISH,
  { principal, nats, refused }: Peer,
  operation: 'publish' | 'subscription',
  attempt: (subject: string) => void,
): Promise<string[]> {
  const own = (subject: string): string => subject.replace('SELF', principal);
  for (const [subject] of table) attempt(own(subject));
  // The server answers in order: with the answer to this ping all refusals are here.
  await nats.flush();
  await nats.flush();
  return table.map(([subject]) => subject).filter((subject) => !refused.has(`${operation} ${own(subject)}`));
}

describe.each(IDENTITIES)('%s', (identity) => {
  it('publishes what the table says, and nothing else', async () => {
    const peer = peerOf(identity);
    const through = await tryAll(PUBLISH, peer, 'publish', (subject) => peer.nats.publish(subject));
    expect(through).toEqual(allowedIn(PUBLISH, identity));
  });

  it('hears what the table says, and nothing else', async () => {
    const peer = peerOf(identity);
    const unsubscribes: (() => void)[] = [];
    // In a queue group of its own, so that no service loses a request to it.
    const through = await tryAll(SUBSCRIBE, peer, 'subscription', (subject) => {
      const subscription = peer.nats.subscribe(subject, {
        queue: `matrix-${run}`,
        callback: () => undefined,
      });
      unsubscribes.push(() => subscription.unsubscribe());
    });
    for (const unsubscribe of unsubscribes) unsubscribe();
    expect(through).toEqual(allowedIn(SUBSCRIBE, identity));
  });
});

describe('every refusal is told', () => {
  const recorded = (type: string, isIt: (record: Awaited<ReturnType<typeof readLog>>[number]) => boolean) =>
    eventually(
      async () => expect((await readLog(operator)).filter((r) => r.type === type && isIt(r))).not.toEqual([]),
      {
        timeoutMs: 60_000,
      },
    );

  it('a connection with a key that nobody enrolled', async () => {
    const seed = createUser().getSeed();
    await expect(
      connect({
        servers: mesh.natsUrl,
        authenticator: nkeyAuthenticator(seed),
        reconnect: false,
        timeout: 20_000,
      }),
    ).rejects.toThrow();
    await recorded('connection.refused', ({ facts }) => facts?.reason === 'unknown-key');
  });

  it('a subject that somebody may not publish or hear, by the log of the embedded server', async () => {
    for (const kind of ['publish', 'subscribe'])
      await recorded(
        'subject.refused',
        ({ principal, facts }) => principal === `client-${run}` && facts?.kind === kind,
      );
    await recorded(
      'subject.refused',
      ({ principal, outcome }) => principal === '_vault' && outcome === 'denied',
    );
  });

  it('of whom it was, and never of somebody whom the name of a connection accuses', async () => {
    const accused = (await readLog(operator)).filter(
      (r) => r.type === 'subject.refused' && r.principal === OTHER,
    );
    expect(accused).toEqual([]);
  });

  it('and many of them as a sum, so that nobody fills the log with it', async () => {
    const { principal } = peerOf('client');
    const records = (await readLog(operator)).filter(
      (r) => r.type === 'subject.refused' && r.principal === principal,
    );
    expect(records.length).toBeLessThan(20); // of more than sixty
  });
});
