import type { retrieveCredential } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { Issuer } from './issuer.js';

/** Hands out the version that the lease names, by the very operation that hands out any value: with its rights, its rules and its record. */
export const valueIssuer = (retrieve: Handler<typeof retrieveCredential>): Issuer => ({
  kind: 'value',
  async issue({ lease, name, purpose }, call) {
    const { values } = await retrieve({ name, version: lease.version, purpose }, call);
    return values;
  },
});
