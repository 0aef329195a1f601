import { describeError } from '@keymesh/service-kit';
import { tokenIssuer } from '../issuers/token.js';
import { valueIssuer } from '../issuers/value.js';
import { startExpiringLeases } from '../jobs/expire-leases.js';
import { makeIssueLease } from '../operations/issue-lease.js';
import { makeListLeases } from '../operations/list-leases.js';
import { makeMintToken } from '../operations/mint-token.js';
import { makeRenewLease } from '../operations/renew-lease.js';
import { makeRetrieveCredential } from '../operations/retrieve-credential.js';
import { makeRevokeLease } from '../operations/revoke-lease.js';
import { makeRevokeLeases } from '../operations/revoke-leases.js';
import { makeLeaseMutations, makeListLeaseRows } from '../store/leases.js';
import type { LeaseOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

/** Leases, what is issued under them, and their end by time. */
export function leaseOperations(ports: VaultPorts): LeaseOperations {
  const { kit, seal, clock, serve, reveal, pokeOutbox } = ports;
  const { dataSource, instance, logger } = kit;
  const byToken = tokenIssuer(makeMintToken(ports));
  const byValue = valueIssuer(makeRetrieveCredential(ports));
  const forLeases = {
    ...ports,
    leases: makeLeaseMutations({ dataSource, seal, afterCommit: pokeOutbox }),
    listLeaseRows: makeListLeaseRows(dataSource, seal),
    leaseLimits: kit.config.leases,
    issuerOf: (type: string) => (type === 'jwt_signing_key' ? byToken : byValue),
  };
  const stop = startExpiringLeases({
    dataSource,
    seal,
    recorder: { instance, clock },
    afterCommit: pokeOutbox,
    onError: (error) => logger.warn({ error: describeError(error) }, 'leases expire later'),
  });
  kit.onShutdown('expiring leases', stop);
  return {
    issueLease: serve(reveal(makeIssueLease(forLeases))),
    renewLease: serve(reveal(makeRenewLease(forLeases))),
    revokeLease: serve(makeRevokeLease(forLeases)),
    revokeLeases: serve(makeRevokeLeases(forLeases)),
    listLeases: serve(makeListLeases(forLeases)),
  };
}
