import {
  failure,
  type CredentialMetadata,
  type listRotations,
  type ReplyOf,
  type RequestOf,
  type RotationSummary,
} from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { refusalOf, type AskPolicy } from '@keymesh/service-kit';
import { askerOf, type Asker } from '../domain/records.js';

export interface ListRotationsDependencies {
  readonly askPolicy: AskPolicy;
  readonly findByName: (name: string) => Promise<CredentialMetadata | undefined>;
  readonly findRotations: (query: {
    credentialId?: string | undefined;
    limit: number;
  }) => Promise<RotationSummary[]>;
  readonly recordListed: (asker: Asker, permitted: boolean) => Promise<void>;
}

/** Rotations, newest first, for who may read them. @throws DENIED, APPROVAL_REQUIRED, CREDENTIAL_NOT_FOUND, POLICY_UNAVAILABLE, STORE_UNAVAILABLE */
export function makeListRotations(dependencies: ListRotationsDependencies) {
  return async (
    { name, limit }: RequestOf<typeof listRotations>,
    call: Call,
  ): Promise<ReplyOf<typeof listRotations>> => {
    const { askPolicy } = dependencies;
    const access = askPolicy(call, 'rotation.read', { kind: 'rotation', id: 'all', attributes: {} });
    await dependencies.recordListed(askerOf(call, access), access.permitted);
    if (!access.permitted) throw refusalOf(askPolicy, call, access);
    if (name === undefined) return { rotations: await dependencies.findRotations({ limit }) };
    const credential = await dependencies.findByName(name);
    if (credential === undefined) throw failure('CREDENTIAL_NOT_FOUND');
    const { credentialId } = credential;
    return { rotations: await dependencies.findRotations({ credentialId, limit }) };
  };
}
