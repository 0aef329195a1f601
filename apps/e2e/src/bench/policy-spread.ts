import { randomUUID } from 'node:crypto';
import type { Keymesh, Profile } from '@keymesh/client';
import { setPrincipalRoles, type Role } from '@keymesh/contracts';
import { fromBase64Url, Secret, signingKeyOf } from '@keymesh/kernel';
import { signStatement } from '@keymesh/policy-engine';
import { percentileOf } from './load.js';

/** How long a change of policy takes to be in force at every instance. */
export interface PolicySpread {
  readonly changes: number;
  /** Instances of the vault that said so each time, the fewest. */
  readonly vaults: number;
  readonly everywhere: { readonly p50Ms: number; readonly p99Ms: number };
  /** Until the reply, which waits for them. */
  readonly reply: { readonly p50Ms: number; readonly p99Ms: number };
  /** Values given to the principal after the reply that its role was taken. */
  readonly givenAfterwards: number;
}

const ASKERS = 12;

/** Takes a principal's role and gives it back, again and again; asks after each reply. */
export async function measureSpread(
  operator: { readonly keymesh: Keymesh; readonly profile: Profile },
  reader: { readonly keymesh: Keymesh; readonly principal: string; readonly name: string },
  changes: number,
): Promise<PolicySpread> {
  const [everywhere, replies]: [number[], number[]] = [[], []];
  let vaults = Infinity;
  let givenAfterwards = 0;
  const change = async (before: Role, after: Role): Promise<void> => {
    const statement = sign(operator.profile, reader.principal, before, after);
    const startedAt = performance.now();
    const { inForce } = await operator.keymesh.call(setPrincipalRoles, { statement });
    replies.push(performance.now() - startedAt);
    if (inForce === undefined) throw new Error('the reply does not say where the change is in force');
    everywhere.push(inForce.unconfirmed.length > 0 ? Infinity : inForce.withinMs);
    vaults = Math.min(vaults, inForce.confirmed.filter((name) => name.startsWith('vault/')).length);
  };
  for (let n = 0; n < changes; n += 2) {
    await change('reader', 'auditor');
    givenAfterwards += await given(reader);
    await change('auditor', 'reader');
  }
  const both = (values: readonly number[]) => ({
    p50Ms: percentileOf(values, 0.5),
    p99Ms: percentileOf(values, 0.99),
  });
  return {
    changes: replies.length,
    vaults,
    everywhere: both(everywhere),
    reply: both(replies),
    givenAfterwards,
  };
}

async function given({
  keymesh,
  name,
}: {
  readonly keymesh: Keymesh;
  readonly name: string;
}): Promise<number> {
  const asked = Array.from({ length: ASKERS }, async () =>
    (await keymesh.credentials.retrieve(name)).dispose(),
  );
  return (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled').length;
}

function sign(
  { meshId, principal: issuer, channelSeed }: Profile,
  principal: string,
  before: Role,
  after: Role,
): string {
  using seed = new Secret(fromBase64Url(channelSeed) ?? new Uint8Array(), 'channel-seed');
  return signStatement(
    {
      ...{ v: 1, meshId, statementId: randomUUID(), issuedAt: new Date().toISOString(), issuer },
      ...{ type: 'principal.roles-set', principal, before: [before], roles: [after] },
    },
    signingKeyOf(seed),
  );
}
