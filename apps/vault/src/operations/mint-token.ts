import { failure, type RpcContract } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import type { z } from 'zod';
import { signToken } from '../domain/jwt.js';
import { disposeValues } from '../domain/parts.js';
import type { IssueOrder } from '../issuers/issuer.js';
import { mayRelease, openOnce, type RetrieveCredentialPorts } from './retrieve-credential.js';

interface Minted {
  readonly token: Secret;
}
type Mint = RpcContract<z.ZodType<IssueOrder>, z.ZodType<Minted>>;
/** Not on the bus: a lease is how a token is asked for. */
export type MintToken = (order: IssueOrder, call: Call) => Promise<Minted>;

/**
 * Signs a token with the key of a `jwt_signing_key`: opens the version that the lease names → signs → durable record → release. The key is wiped.
 * @throws as retrieveCredential, by the right to issue leases; DENIED for an audience that the key does not sign for.
 */
export const makeMintToken = (ports: RetrieveCredentialPorts): MintToken =>
  ports.audited<Mint>('token.minted', async ({ lease, name, audience, purpose }, call, attempt) => {
    attempt.named(name);
    attempt.note({ leaseId: lease.leaseId });
    const asked = { name, version: lease.version, purpose, action: 'lease.issue' as const };
    const opened = await openOnce(ports, asked, call, attempt);
    if (opened === undefined) throw changed();
    try {
      const token = await signToken(opened.values, lease, { nowMs: ports.clock.now(), audience });
      await attempt.succeeded();
      if (mayRelease(ports, opened)) return { token };
      token.dispose();
      throw changed();
    } finally {
      disposeValues(opened.values);
    }
  });

const changed = () =>
  failure('UNAVAILABLE', { publicMessage: 'The credential has just changed. Ask again.' });
