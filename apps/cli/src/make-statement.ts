import { randomUUID } from 'node:crypto';
import type { Profile } from '@keymesh/client';
import type { Statement } from '@keymesh/contracts';
import { signStatement } from '@keymesh/policy-engine';
import { signingKeyOfProfile } from './rotate-keys.js';

/** What says who said it, when, and in which mesh: the same for every statement of a profile. */
type Heading = 'v' | 'meshId' | 'statementId' | 'issuedAt' | 'issuer';
type Said<T extends Statement = Statement> = T extends Statement ? Omit<T, Heading> : never;

/**
 * A statement of the profile's principal, made now and signed with its own channel key.
 * @throws DENIED for the profile of a login; STATEMENT_REJECTED unless it is of the schema.
 */
export const makeStatement = (profile: Profile, said: Said): string =>
  signStatement(
    {
      v: 1,
      meshId: profile.meshId,
      statementId: randomUUID(),
      issuedAt: new Date().toISOString(),
      issuer: profile.principal,
      ...said,
    },
    signingKeyOfProfile(profile),
  );
