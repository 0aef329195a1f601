import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import type { PostgresServer } from '../../src/adapters/postgres-role.js';
import type { Login } from '../../src/adapters/postgres-login.js';
import type { Vault } from '../../src/domain/ports.js';

export const FAULTS = ['fails', 'lost', 'crash-before', 'crash-after', 'refused', 'stale'] as const;
/**
 * What happens to one operation on the world. `lost`: it has its effect and the answer does not arrive. `stale`: the instance of
 * the vault that is asked has not heard of the version.
 */
export type Fault = 'none' | (typeof FAULTS)[number];

interface Version {
  stage: 'pending' | 'current' | 'previous' | 'revoked';
  readonly password: string;
}

/**
 * A vault and a PostgreSQL role in memory, on which every operation may fail, lose its answer or kill the process.
 * After a crash the process is dead: nothing it still does has an effect.
 */
export function makeWorld(nextFault: (operation: string) => Fault) {
  const versions = new Map<number, Version>([[1, { stage: 'current', password: 'old-password' }]]);
  const pendingOf = new Map<string, number>();
  const world = { providerPassword: 'old-password', crashed: false, versions };

  const operate = <T>(operation: string, effect: () => T): Promise<T> => {
    if (world.crashed) return Promise.reject(new Error('dead'));
    const fault = nextFault(operation);
    if (fault === 'fails') return Promise.reject(failure('UNAVAILABLE'));
    if (fault === 'crash-before') {
      world.crashed = true;
      return Promise.reject(new Error('crash'));
    }
    if (fault === 'stale' && operation === 'reveal') return Promise.reject(failure('VERSION_NOT_FOUND'));
    // A vault that made the version names it again for the same rotation; it does not refuse what it has done.
    if (fault === 'refused' && !(operation === 'prepare' && pendingOf.size > 0))
      return Promise.reject(failure('VERSION_CONFLICT'));
    let result: T;
    try {
      result = effect();
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error('effect failed'));
    }
    if (fault === 'crash-after') world.crashed = true;
    return fault === 'none' || fault === 'refused' || fault === 'stale'
      ? Promise.resolve(result)
      : Promise.reject(failure('DEADLINE_EXCEEDED'));
  };

  const found = (number: number): Version => {
    const version = versions.get(number);
    if (version === undefined || version.stage === 'revoked') throw failure('VERSION_NOT_FOUND');
    return version;
  };

  const vault: Vault = {
    prepare: ({ rotationId }) =>
      operate('prepare', () => {
        const known = pendingOf.get(rotationId);
        if (known !== undefined) return { version: known };
        const version = versions.size + 1;
        versions.set(version, { stage: 'pending', password: `new-password-${version}` });
        pendingOf.set(rotationId, version);
        return { version };
      }),
    promote: (_ref, number) =>
      operate('promote', () => {
        const version = found(number);
        if (version.stage === 'current') return;
        for (const other of versions.values()) if (other.stage === 'current') other.stage = 'previous';
        version.stage = 'current';
      }),
    discard: (_ref, number) =>
      operate('discard', () => {
        const version = found(number);
        if (version.stage !== 'pending') throw failure('VERSION_CONFLICT');
        version.stage = 'revoked';
      }),
    reveal: (_ref, number) =>
      operate('reveal', () => {
        const { stage, password } = found(number);
        const values = {
          username: Secret.fromText('app', 'username'),
          password: Secret.fromText(password, 'password'),
        };
        return {
          version: number,
          stage,
          values,
          [Symbol.dispose]: () => Object.values(values).forEach((value) => value.dispose()),
        };
      }),
    listRotatable: () => Promise.resolve([]),
    findByName: () => Promise.resolve(undefined),
  };

  const text = (secret: Secret): string => Buffer.from(secret.expose()).toString();
  const server: PostgresServer = {
    deriveVerifier: (password) => `verifier:${text(password)}`,
    logIn: (_settings, _username, password): Promise<Login> =>
      operate('login', (): Login => {
        if (text(password) !== world.providerPassword)
          return { ok: false, reason: 'PROVIDER_LOGIN_REFUSED', retryable: false };
        const changePassword = (verifier: string): Promise<void> =>
          operate('alter', () => {
            world.providerPassword = verifier.replace('verifier:', '');
          });
        const session = {
          changePassword,
          currentUser: () => operate('query', () => 'app'),
          close: () => Promise.resolve(),
        };
        return { ok: true, session };
      }).catch((): Login => ({ ok: false, reason: 'PROVIDER_UNREACHABLE', retryable: true })),
  };
  return { world, vault, server };
}

export type World = ReturnType<typeof makeWorld>['world'];
