import { createHash, randomUUID } from 'node:crypto';
import { makeSigningKey, type Clock, type SigningKey } from '@keymesh/kernel';
import type { PolicyBundle, Role, Statement, StatementOf, TrustRoot } from '@keymesh/contracts';
import { BUILT_IN_POLICIES, enrolmentIdOf, signStatement } from '../src/index.js';

export const MESH_ID = 'mesh-under-test';
export const START = Date.parse('2026-11-22T09:00:00.000Z');
export const at = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();

/** A public nkey that nobody has the seed of: the right shape, another for each text. */
export function nkeyNamed(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bytes = createHash('sha512').update(text).digest();
  return `U${[...bytes.subarray(0, 55)].map((byte) => alphabet[byte % 32] ?? 'A').join('')}`;
}

export function makeTestClock(now = START): Clock & { turn(seconds: number): void } {
  let ms = now;
  return { now: () => ms, monotonic: () => ms, turn: (seconds) => (ms += seconds * 1_000) };
}

export interface TestMesh {
  readonly trustRoot: TrustRoot;
  readonly bundleKey: SigningKey;
  readonly operatorKey: SigningKey;
  /** Grants of the first operator and the mesh's own services. */
  readonly genesis: readonly string[];
}

type Draft<T extends Statement['type']> = Omit<
  StatementOf<T>,
  'v' | 'meshId' | 'statementId' | 'issuedAt' | 'issuer' | 'type'
> &
  Partial<Pick<StatementOf<T>, 'meshId' | 'statementId' | 'issuedAt' | 'issuer'>>;

/** Fills what every statement has, and signs. */
export const say = <T extends Statement['type']>(type: T, draft: Draft<T>, key: SigningKey): string =>
  signStatement(
    {
      v: 1,
      meshId: MESH_ID,
      statementId: randomUUID(),
      issuedAt: at(0),
      issuer: 'operator',
      type,
      ...draft,
    } as unknown as Statement,
    key,
  );

export const granted = (name: string, roles: Role[], key: SigningKey, by: SigningKey, issuer = 'operator') =>
  say(
    'principal.granted',
    {
      issuer,
      principal: name,
      kind: name.startsWith('_') ? 'system' : roles.includes('operator') ? 'operator' : 'service',
      roles,
      nkey: nkeyNamed(name),
      channelKey: key.publicKeyText,
    },
    by,
  );

export function makeTestMesh(): TestMesh {
  const [mesh, bundle, operator, vault, rotation, detector] = Array.from(
    { length: 6 },
    () => makeSigningKey().key,
  );
  const operatorKey = operator!;
  return {
    trustRoot: {
      v: 1,
      meshId: MESH_ID,
      meshPublicKey: mesh!.publicKeyText,
      bundlePublicKey: bundle!.publicKeyText,
      operators: [{ name: 'operator', channelKey: operatorKey.publicKeyText }],
    },
    bundleKey: bundle!,
    operatorKey,
    genesis: [
      granted('operator', ['operator'], operatorKey, operatorKey),
      granted('_vault', [], vault!, operatorKey),
      granted('_rotation', ['rotator'], rotation!, operatorKey),
      granted('_anomaly-detector', ['locker'], detector!, operatorKey),
    ],
  };
}

export interface TestInvitation {
  readonly statement: string;
  readonly enrolmentId: string;
  readonly tokenKey: SigningKey;
  /** Completes it, with new keys unless they are given. */
  complete(over?: Draft<'enrolment.completed'> | Record<string, unknown>, key?: SigningKey): string;
  readonly keys: { readonly nkey: string; readonly channel: SigningKey };
}

/** An invitation by the first operator, valid for an hour. */
export function invite(
  mesh: TestMesh,
  principal: string,
  roles: Role[] = ['reader'],
  over: Partial<StatementOf<'enrolment.issued'>> = {},
  by: SigningKey = mesh.operatorKey,
): TestInvitation {
  const tokenKey = makeSigningKey().key;
  const enrolmentId = enrolmentIdOf(tokenKey.publicKeyText);
  const keys = { nkey: nkeyNamed(`own ${enrolmentId}`), channel: makeSigningKey().key };
  return {
    enrolmentId,
    tokenKey,
    keys,
    statement: say(
      'enrolment.issued',
      {
        statementId: enrolmentId,
        principal,
        kind: 'service',
        roles,
        tokenNkey: nkeyNamed(`token ${enrolmentId}`),
        tokenKey: tokenKey.publicKeyText,
        expiresAt: at(3_600),
        ...over,
      },
      by,
    ),
    complete: (change = {}, key = tokenKey) =>
      say(
        'enrolment.completed',
        {
          issuer: principal,
          principal,
          enrolment: enrolmentId,
          nkey: keys.nkey,
          channelKey: keys.channel.publicKeyText,
          issuedAt: at(60),
          ...change,
        },
        key,
      ),
  };
}

export const bundleOf = (statements: readonly string[], over: Partial<PolicyBundle> = {}): PolicyBundle => ({
  v: 1,
  meshId: MESH_ID,
  version: 1,
  issuedAt: at(0),
  statements: [...statements],
  policies: BUILT_IN_POLICIES.map((policy) => ({ ...policy })),
  taken: [],
  ...over,
});

/** The code of what `act` throws; undefined when it throws nothing. */
export function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
