import { randomUUID } from 'node:crypto';
import { type PrincipalKind, type Role, type StatementOf, type TrustRoot } from '@keymesh/contracts';
import { HOUR, makeSigningKey, signingKeyOf, Secret, type Clock, type SigningKey } from '@keymesh/kernel';
import { nkeyPairOf, type Call, type NkeyPair } from '@keymesh/mesh';
import { enrolmentIdOf, makeEnrolmentToken, signStatement } from '@keymesh/policy-engine';
import { makeTestPrincipal, type TestPrincipal } from '@keymesh/testing';
import { createUser, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';

/** Keys of a mesh and the statements of its initialisation, for specs without servers. */
export interface BookMesh {
  readonly trustRoot: TrustRoot;
  readonly bundleKey: SigningKey;
  readonly operator: TestPrincipal;
  readonly detector: TestPrincipal;
  readonly genesis: readonly string[];
}

const timeOf = (clock: Clock, inMs = 0): string => new Date(clock.now() + inMs).toISOString();

/** A principal named directly, signed by an operator. */
export const grant = (meshId: string, principal: TestPrincipal, by: TestPrincipal, clock: Clock): string =>
  signStatement(
    {
      v: 1,
      meshId,
      statementId: randomUUID(),
      issuedAt: timeOf(clock),
      issuer: by.name,
      type: 'principal.granted',
      principal: principal.name,
      kind: principal.kind,
      roles: [...principal.roles],
      nkey: principal.publicNkey,
      channelKey: principal.signingKey.publicKeyText,
    },
    by.signingKey,
  );

export function makeBookMesh(clock: Clock): BookMesh {
  const [mesh, bundle] = [makeSigningKey().key, makeSigningKey().key];
  const operator = makeTestPrincipal('operator', ['operator'], 'operator');
  const detector = makeTestPrincipal('_anomaly-detector', ['locker'], 'system');
  const trustRoot: TrustRoot = {
    v: 1,
    meshId: 'test-mesh',
    meshPublicKey: mesh.publicKeyText,
    bundlePublicKey: bundle.publicKeyText,
    operators: [{ name: 'operator', channelKey: operator.signingKey.publicKeyText }],
  };
  const genesis = [operator, detector].map((who) => grant(trustRoot.meshId, who, operator, clock));
  return { trustRoot, bundleKey: bundle, operator, detector, genesis };
}

/** An invitation, with the bearer's side of it. */
export interface TestInvitation {
  readonly statement: string;
  readonly token: Secret;
  /** The nkey that the token's bearer connects with, and its seed (`SU…`). */
  readonly tokenNkey: NkeyPair;
  readonly tokenNkeySeed: Secret;
  readonly tokenKey: SigningKey;
  /** The keys that the bearer made. */
  readonly own: TestPrincipal;
  complete(own?: TestPrincipal, over?: Partial<StatementOf<'enrolment.completed'>>): string;
}

export function makeInvitation(
  mesh: Pick<BookMesh, 'trustRoot' | 'operator'>,
  name: string,
  clock: Clock,
  options: {
    roles?: Role[];
    kind?: PrincipalKind;
    lastsMs?: number;
    over?: Partial<StatementOf<'enrolment.issued'>>;
    by?: SigningKey;
  } = {},
): TestInvitation {
  const { roles = ['reader'], kind = 'service', lastsMs = HOUR } = options;
  const { meshId, meshPublicKey } = mesh.trustRoot;
  const { token, connectSeed, signSeed } = makeEnrolmentToken({ principal: name, meshPublicKey });
  const tokenNkeySeed = new Secret(Codec.encodeSeed(Prefix.User, connectSeed.expose()), 'nkey-seed');
  const tokenNkey = nkeyPairOf(tokenNkeySeed);
  const tokenKey = signingKeyOf(signSeed);
  const own = makeTestPrincipal(name, roles, kind);
  const enrolment = enrolmentIdOf(tokenKey.publicKeyText);
  const statement = signStatement(
    {
      v: 1,
      meshId,
      statementId: enrolment,
      issuedAt: timeOf(clock),
      issuer: mesh.operator.name,
      type: 'enrolment.issued',
      principal: name,
      kind,
      roles,
      tokenNkey: tokenNkey.publicKey,
      tokenKey: tokenKey.publicKeyText,
      expiresAt: timeOf(clock, lastsMs),
      ...options.over,
    },
    options.by ?? mesh.operator.signingKey,
  );
  const complete: TestInvitation['complete'] = (keys = own, over = {}) =>
    signStatement(
      {
        v: 1,
        meshId,
        statementId: randomUUID(),
        issuedAt: timeOf(clock),
        issuer: name,
        type: 'enrolment.completed',
        principal: name,
        enrolment,
        nkey: keys.publicNkey,
        channelKey: keys.signingKey.publicKeyText,
        ...over,
      },
      tokenKey,
    );
  return { statement, token, tokenNkey, tokenNkeySeed, tokenKey, own, complete };
}

/** An operator's word on a principal's status. */
export const statusStatement = (
  mesh: Pick<BookMesh, 'trustRoot' | 'operator'>,
  principal: string,
  status: 'active' | 'disabled',
  clock: Clock,
): string =>
  signStatement(
    {
      v: 1,
      meshId: mesh.trustRoot.meshId,
      statementId: randomUUID(),
      issuedAt: timeOf(clock),
      issuer: mesh.operator.name,
      type: 'principal.status-set',
      principal,
      status,
    },
    mesh.operator.signingKey,
  );

/** A call as the dispatcher hands it over. */
export const callOf = (principal: string, over: Partial<Call> = {}): Call => ({
  principal,
  sessionId: '00112233445566778899aabbccddeeff',
  requestId: randomUUID(),
  deadlineAt: Number.MAX_SAFE_INTEGER,
  traceparent: undefined,
  channel: 'encrypted',
  ...over,
});

export const makeNkey = (): NkeyPair => nkeyPairOf(new Secret(createUser().getSeed(), 'nkey-seed'));
