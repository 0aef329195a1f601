import type { Role } from '@keymesh/contracts';
import { connect, readProfile, type Keymesh } from '@keymesh/client';
import { measureChannel, type ChannelCosts } from './channel-costs.js';
import { measureConnections, type ConnectionRate } from './connections.js';
import { measureDecisions, type DecisionTimes } from './decisions.js';
import { enrolReader } from './enrol.js';
import type { Fleet } from './fleet.js';
import { measureHiding, type Hiding } from './hiding.js';
import { startMoreVaults } from './more-vaults.js';
import type { BenchOptions } from './options.js';
import { measureSpread, type PolicySpread } from './policy-spread.js';

/** Who may what, and the way there: identity, policy and channel. Undefined: not asked for. */
export interface AccessFacts {
  readonly decisions?: readonly DecisionTimes[];
  readonly channel?: ChannelCosts;
  readonly hiding?: Hiding;
  readonly connections?: readonly ConnectionRate[];
  readonly spread?: PolicySpread;
}

export interface AccessOptions {
  readonly home: string;
  readonly vaultPid: number;
  readonly options: Pick<
    BenchOptions,
    'principals' | 'policies' | 'pairs' | 'changes' | 'durationMs' | 'only'
  >;
  readonly say: (text: string) => void;
}

/** Names for `--only`. */
type Part = 'decision' | 'channel' | 'hiding' | 'connections' | 'spread';

const CONNECT_AT_ONCE = [1, 8];
/** Gives nothing until its holder opens it. */
const STRANGER: readonly Role[] = ['break-glass'];
const MORE_VAULTS = ['vault-2', 'vault-3'];

/** Measures what is asked for, one after the other, on a mesh that does nothing else. */
export async function measureAccess(fleet: Fleet, access: AccessOptions): Promise<AccessFacts> {
  const { options, say } = access;
  const { only, principals, policies } = options;
  const measured = async <T>(part: Part, work: () => Promise<T> | T): Promise<{ [P in Part]?: T }> => {
    if (only.length > 0 && !only.some((start) => part.startsWith(start))) return {};
    const result = await work();
    say(`${part}: ${JSON.stringify(result)}`);
    return { [part]: result };
  };
  const { decision } = await measured('decision', () => measureDecisions({ principals, policies }));
  const { channel } = await measured('channel', measureChannel);
  const { hiding } = await measured('hiding', () => hidingOf(fleet, access));
  const { connections } = await measured('connections', () => connectionsOf(fleet, access));
  const { spread } = await measured('spread', () => spreadOf(fleet, access));
  return {
    ...(decision === undefined ? {} : { decisions: decision }),
    ...(channel === undefined ? {} : { channel }),
    ...(hiding === undefined ? {} : { hiding }),
    ...(connections === undefined ? {} : { connections }),
    ...(spread === undefined ? {} : { spread }),
  };
}

async function hidingOf(fleet: Fleet, { home, options }: AccessOptions): Promise<Hiding> {
  const operator = await readProfile(home, 'operator');
  const profile = await enrolReader(fleet.operator, operator, 'bench-stranger', STRANGER);
  return using(await connect({ profile }), (stranger) =>
    measureHiding(stranger, fleet.nameOf(0), options.pairs),
  );
}

async function connectionsOf(fleet: Fleet, { home, options }: AccessOptions): Promise<ConnectionRate[]> {
  const operator = await readProfile(home, 'operator');
  const profiles = [];
  for (let n = 0; n < Math.max(...CONNECT_AT_ONCE); n += 1)
    profiles.push(await enrolReader(fleet.operator, operator, `bench-connects-${String(n)}`));
  const rates: ConnectionRate[] = [];
  for (const atOnce of CONNECT_AT_ONCE)
    rates.push(await measureConnections(profiles, atOnce, options.durationMs));
  return rates;
}

async function spreadOf(fleet: Fleet, { home, vaultPid, options }: AccessOptions): Promise<PolicySpread> {
  const operator = { keymesh: fleet.operator, profile: await readProfile(home, 'operator') };
  const principal = 'bench-role';
  const profile = await enrolReader(fleet.operator, operator.profile, principal);
  const vaults = await startMoreVaults(home, vaultPid, MORE_VAULTS);
  try {
    return await using(await connect({ profile }), (keymesh) =>
      measureSpread(operator, { keymesh, principal, name: fleet.nameOf(0) }, options.changes),
    );
  } finally {
    await vaults.stop();
  }
}

async function using<T>(client: Keymesh, work: (client: Keymesh) => Promise<T>): Promise<T> {
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
