import { signChannelKey } from '@keymesh/channel';
import {
  certifyChannelKey,
  discardVersion,
  failure,
  listRotatable,
  prepareVersion,
  promoteVersion,
  revealVersion,
  type CredentialMetadata,
  type ServiceName,
  type Stage,
} from '@keymesh/contracts';
import { HOUR, Secret } from '@keymesh/kernel';
import { serves, type FakeOperation, type TestMesh } from '@keymesh/testing';

interface FakeVersion {
  stage: Stage;
  readonly values: Readonly<Record<string, string>>;
  readonly rotationId: string | undefined;
}

/** A credential of the fake vault, for the spec to look at. */
export interface FakeCredential {
  readonly metadata: CredentialMetadata;
  readonly versions: Map<number, FakeVersion>;
}

/** Names of the moments at which a spec may hold the vault: before an operation has its effect, and before its answer leaves. */
export type Moment = `${'prepare' | 'promote' | 'discard' | 'reveal'}:${'asked' | 'done'}`;

/**
 * A vault in memory that keeps to the contract of the five operations rotation uses, and tells the spec of every moment.
 * Values are as long as the ones before, as the real vault makes them.
 */
export function makeFakeVault(mesh: TestMesh) {
  const credentials = new Map<string, FakeCredential>();
  const state = {
    onMoment: (_moment: Moment, _credentialId: string): Promise<void> => Promise.resolve(),
    made: 0,
  };
  const secrets: string[] = [];

  const find = (credentialId: string): FakeCredential => {
    const credential = credentials.get(credentialId);
    if (credential === undefined) throw failure('CREDENTIAL_NOT_FOUND');
    return credential;
  };
  const currentOf = ({ versions }: FakeCredential): FakeVersion => {
    const current = [...versions.values()].filter(({ stage }) => stage === 'current');
    if (current.length !== 1 || current[0] === undefined) throw new Error('not exactly one current version');
    return current[0];
  };
  const between = async <T>(
    name: 'prepare' | 'promote' | 'discard' | 'reveal',
    credentialId: string,
    effect: () => T,
  ): Promise<T> => {
    await state.onMoment(`${name}:asked`, credentialId);
    const result = effect();
    await state.onMoment(`${name}:done`, credentialId);
    return result;
  };

  const prepare = (credentialId: string, rotationId: string): number => {
    const credential = find(credentialId);
    for (const [number, version] of credential.versions) if (version.rotationId === rotationId) return number;
    const pending = [...credential.versions.values()].some(({ stage }) => stage === 'pending');
    if (pending) throw failure('ROTATION_IN_PROGRESS');
    const before = currentOf(credential).values;
    const primary = 'password' in before ? 'password' : 'value';
    state.made += 1;
    const fresh = `fresh-${state.made}-`.padEnd(Math.max(16, before[primary]?.length ?? 0), 'Xy7!');
    secrets.push(fresh);
    const number = credential.versions.size + 1;
    const values = { ...before, [primary]: fresh };
    credential.versions.set(number, { stage: 'pending', values, rotationId });
    return number;
  };

  const promote = (credentialId: string, number: number): void => {
    const credential = find(credentialId);
    const version = credential.versions.get(number);
    if (version === undefined) throw failure('VERSION_NOT_FOUND');
    if (version.stage === 'current') return;
    if (version.stage !== 'pending') throw failure('VERSION_CONFLICT');
    for (const other of credential.versions.values()) {
      if (other.stage === 'previous') other.stage = 'revoked';
      if (other.stage === 'current') other.stage = 'previous';
    }
    version.stage = 'current';
    Object.assign(credential.metadata, { version: number, versionCreatedAt: new Date().toISOString() });
  };

  const operations: FakeOperation[] = [
    serves(certifyChannelKey, ({ publicKey }, call) => {
      const service = call.principal.slice(1) as ServiceName;
      const notBefore = Date.now();
      const key = { service, publicKey, notBefore, notAfter: notBefore + 24 * HOUR };
      return Promise.resolve({ statement: signChannelKey(key, mesh.meshKey) });
    }),
    serves(listRotatable, ({ name, credentialId }) =>
      Promise.resolve({
        credentials: [...credentials.values()]
          .map(({ metadata }) => metadata)
          .filter((metadata) => name === undefined || metadata.name === name)
          .filter((metadata) => credentialId === undefined || metadata.credentialId === credentialId)
          .filter(({ rotation }) => name !== undefined || credentialId !== undefined || rotation !== null),
      }),
    ),
    serves(prepareVersion, ({ credentialId, rotationId }) =>
      between('prepare', credentialId, () => ({
        credentialId,
        version: prepare(credentialId, rotationId),
        revision: 1,
      })),
    ),
    serves(promoteVersion, ({ credentialId, version }) =>
      between('promote', credentialId, () => {
        promote(credentialId, version);
        return { credentialId, version, revision: 1 };
      }),
    ),
    serves(discardVersion, ({ credentialId, version }) =>
      between('discard', credentialId, () => {
        const found = find(credentialId).versions.get(version);
        if (found === undefined) throw failure('VERSION_NOT_FOUND');
        if (found.stage === 'current' || found.stage === 'previous') throw failure('VERSION_CONFLICT');
        found.stage = 'revoked';
        return { credentialId, revision: 1 };
      }),
    ),
    serves(revealVersion, ({ credentialId, version }) =>
      between('reveal', credentialId, () => {
        const found = find(credentialId).versions.get(version);
        if (found === undefined || found.stage === 'revoked') throw failure('VERSION_NOT_FOUND');
        const values = Object.fromEntries(
          Object.entries(found.values).map(([name, text]) => [name, Secret.fromText(text, 'part')]),
        );
        return { credentialId, version, stage: found.stage, values };
      }),
    ),
  ];

  return {
    operations,
    /** All values that were ever made or given. */
    secrets,
    onMoment: (listener: (moment: Moment, credentialId: string) => Promise<void>): void =>
      void (state.onMoment = listener),
    add: (metadata: CredentialMetadata, values: Readonly<Record<string, string>>): FakeCredential => {
      const credential: FakeCredential = {
        metadata: { ...metadata },
        versions: new Map([[1, { stage: 'current', values, rotationId: undefined }]]),
      };
      credentials.set(metadata.credentialId, credential);
      secrets.push(...Object.entries(values).flatMap(([name, text]) => (name === 'username' ? [] : [text])));
      return credential;
    },
    remove: (credentialId: string): void => void credentials.delete(credentialId),
    currentOf,
  };
}

export type FakeVault = ReturnType<typeof makeFakeVault>;
