import {
  makeAcceptor,
  importChannelKey,
  makeChannelKeyPair,
  readChannelKey,
  signChannelKey,
  type Acceptor,
} from '@keymesh/channel';
import {
  renderNatsConfig,
  type NatsConfigOptions,
  type PrincipalKind,
  type Role,
  type ServiceName,
  type StaticIdentity,
  type TrustRoot,
} from '@keymesh/contracts';
import { HOUR, makeSigningKey, Secret, systemClock, type Clock, type SigningKey } from '@keymesh/kernel';
import {
  connectMesh,
  nkeyPairOf,
  reconcileStreams,
  type MeshConnection,
  type MeshTls,
  type PrincipalView,
} from '@keymesh/mesh';
import { createAccount, createCurve, type KeyPair } from '@nats-io/nkeys';
import { makeTestIdentities, makeTestPrincipal, type TestPrincipal } from './identities.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';
import { startTestCallout } from './test-callout.js';

export interface StartTestMeshOptions {
  /** `false`: the spec runs the real callout of the policy service. */
  readonly callout?: boolean;
  /** TLS with client certificates: the server's files, and what everybody made here connects with. */
  readonly tls?: {
    readonly server: Required<NonNullable<NatsConfigOptions['tls']>>;
    readonly client: MeshTls;
  };
  /** `false`: leaves the streams out. */
  readonly streams?: boolean;
}

/** A nats-server with the real accounts and permissions, keys for everybody, and the streams. */
export interface TestMesh {
  readonly server: TestNatsServer;
  readonly url: string;
  readonly identities: Readonly<Record<StaticIdentity, TestPrincipal>>;
  readonly operator: TestPrincipal;
  readonly meshKey: SigningKey;
  readonly bundleKey: SigningKey;
  readonly bundleSeed: Secret;
  readonly trustRoot: TrustRoot;
  /** nkey account seed `SA…` and curve seed `SX…`, for a real callout. */
  readonly calloutIssuerSeed: Secret;
  readonly calloutXkeySeed: Secret;
  /** Makes a principal that the callout lets in (role `siem`: into the account SIEM). */
  readonly addPrincipal: (name: string, roles?: readonly Role[], kind?: PrincipalKind) => TestPrincipal;
  /** Takes a principal away again: no new connections, and its channel key is unknown. */
  readonly removePrincipal: (name: string) => void;
  /** Lets a removed principal in again, with the keys that it had. */
  readonly restorePrincipal: (principal: TestPrincipal) => void;
  /** What a directory would say of the principals and services made here. */
  readonly directory: {
    find(name: string): PrincipalView | undefined;
    isChannelKeyOf(principal: string, publicKey: string): boolean;
    setStatus(name: string, status: PrincipalView['status']): void;
  };
  /** Connects as one of them; closed by `stop`. */
  connectAs(who: StaticIdentity | TestPrincipal): Promise<MeshConnection>;
  /** A certified channel key of a service, and its end of the channel. */
  makeServiceChannel(service: ServiceName, clock?: Clock): Promise<{ acceptor: Acceptor; statement: string }>;
  stop(): Promise<void>;
}

/** Starts a mesh for specs: everything real but the services themselves. */
export async function startTestMesh(options: StartTestMeshOptions = {}): Promise<TestMesh> {
  const identities = makeTestIdentities();
  const issuer = fastKeyPair(createAccount());
  const xkey = createCurve();
  const server = await startNatsServer({
    config: ({ port, jetstreamDir }) =>
      renderNatsConfig({
        host: '127.0.0.1',
        port,
        jetstreamDir,
        publicNkeys: publicNkeysOf(identities),
        calloutIssuer: issuer.getPublicKey(),
        calloutXkey: xkey.getPublicKey(),
        ...(options.tls === undefined ? {} : { tls: options.tls.server }),
      }),
  });
  const connections: MeshConnection[] = [];
  const connectAs: TestMesh['connectAs'] = async (who) => {
    const { name, nkeySeed } = typeof who === 'string' ? identities[who] : who;
    const connection = await connectMesh({
      ...{ servers: server.url, nkeySeed, principal: name },
      ...(options.tls === undefined ? {} : { tls: options.tls.client }),
    });
    connections.push(connection);
    return connection;
  };
  const book = makeBook(identities);
  const operator = book.add('operator', ['operator'], 'operator');
  const keys = makeMeshKeys(operator);

  if (options.callout !== false) {
    await startTestCallout({ connection: await connectAs('policy'), issuer, xkey, principals: book.byNkey });
  }
  if (options.streams !== false) await reconcileStreams(await connectAs('deploy'));
  return {
    server,
    url: server.url,
    identities,
    operator,
    ...keys,
    calloutIssuerSeed: new Secret(issuer.getSeed(), 'callout-issuer-seed'),
    calloutXkeySeed: new Secret(xkey.getSeed(), 'callout-xkey-seed'),
    addPrincipal: book.add,
    removePrincipal: book.remove,
    restorePrincipal: book.put,
    directory: book.directory,
    connectAs,
    makeServiceChannel: (service, clock = systemClock) =>
      makeServiceChannel(service, keys.meshKey, book.directory.isChannelKeyOf, clock),
    async stop() {
      await Promise.all(connections.map((connection) => connection.nats.close()));
      await server.stop();
    },
  };
}

/** The same key signing with node's Ed25519: the JavaScript one takes 80 ms under jest. */
function fastKeyPair(slow: KeyPair): KeyPair {
  const { publicKey, sign } = nkeyPairOf(new Secret(slow.getSeed(), 'account-seed'));
  return Object.assign(Object.create(slow) as KeyPair, { getPublicKey: () => publicKey, sign });
}

const publicNkeysOf = (identities: Record<StaticIdentity, TestPrincipal>): Record<StaticIdentity, string> =>
  Object.fromEntries(
    Object.entries(identities).map(([identity, { publicNkey }]) => [identity, publicNkey]),
  ) as Record<StaticIdentity, string>;

function makeMeshKeys(operator: TestPrincipal) {
  const mesh = makeSigningKey();
  const bundle = makeSigningKey();
  const trustRoot: TrustRoot = {
    v: 1,
    meshId: 'test-mesh',
    meshPublicKey: mesh.key.publicKeyText,
    bundlePublicKey: bundle.key.publicKeyText,
    operators: [{ name: operator.name, channelKey: operator.signingKey.publicKeyText }],
  };
  return { meshKey: mesh.key, bundleKey: bundle.key, bundleSeed: bundle.seed, trustRoot };
}

function makeBook(identities: Record<StaticIdentity, TestPrincipal>) {
  const byNkey = new Map<string, TestPrincipal>();
  const byName = new Map(Object.values(identities).map((identity) => [identity.name, identity]));
  const statuses = new Map<string, PrincipalView['status']>();
  const put = (principal: TestPrincipal): void => {
    byNkey.set(principal.publicNkey, principal);
    byName.set(principal.name, principal);
  };
  return {
    byNkey,
    put,
    add: (
      name: string,
      roles: readonly Role[] = ['reader'],
      kind: PrincipalKind = 'service',
    ): TestPrincipal => {
      const principal = makeTestPrincipal(name, roles, kind);
      put(principal);
      return principal;
    },
    remove: (name: string): void => {
      byNkey.delete(byName.get(name)?.publicNkey ?? '');
      byName.delete(name);
    },
    directory: {
      find(name: string): PrincipalView | undefined {
        const principal = byName.get(name);
        return principal && { roles: principal.roles, status: statuses.get(name) ?? 'active' };
      },
      isChannelKeyOf: (name: string, publicKey: string): boolean =>
        byName.get(name)?.signingKey.publicKeyText === publicKey,
      setStatus: (name: string, status: PrincipalView['status']): void => void statuses.set(name, status),
    },
  };
}

async function makeServiceChannel(
  service: ServiceName,
  meshKey: SigningKey,
  isChannelKeyOf: (principal: string, publicKey: string) => boolean,
  clock: Clock,
): Promise<{ acceptor: Acceptor; statement: string }> {
  const { publicKey, privateKey } = await makeChannelKeyPair();
  const now = clock.now();
  const text = signChannelKey({ service, publicKey, notBefore: now, notAfter: now + 12 * HOUR }, meshKey);
  const statement = readChannelKey(text, meshKey.publicKeyText, service, now);
  if (statement === undefined)
    throw new Error('the channel key statement that was just signed does not read');
  const key = await importChannelKey(statement, privateKey);
  const acceptor = makeAcceptor({
    service,
    privateKey: (keyId) => (keyId === statement.keyId ? key : undefined),
    isChannelKeyOf,
    clock,
  });
  return { acceptor, statement: text };
}
