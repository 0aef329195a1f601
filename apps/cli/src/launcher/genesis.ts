import { randomBytes, randomUUID } from 'node:crypto';
import {
  failure,
  SERVICES,
  servicePrincipal,
  trustRoot,
  type Role,
  type ServiceName,
  type StatementOf,
  type TrustRoot,
} from '@keymesh/contracts';
import { toBase64Url } from '@keymesh/kernel';
import { profileSchema, type Profile } from '@keymesh/client';
import { meshIdOf, signStatement } from '@keymesh/policy-engine';
import { createUser } from '@nats-io/nkeys';
import { readJson, writeWhole } from './files.js';
import type { Home } from './home.js';
import { publicNkey, signingKeyIn, type Identities } from './identities.js';

/** The first operator of an embedded mesh, and the name of its profile. */
export const FIRST_OPERATOR = 'operator';

/** What the mesh's own services may; the others ask for nothing that needs a role. */
const SERVICE_ROLES: Readonly<Record<ServiceName, readonly Role[]>> = {
  vault: [],
  policy: [],
  audit: [],
  rotation: ['rotator'],
  'anomaly-detector': ['locker'],
};

/**
 * Makes what everybody pins (trust.json) and the first signed statements (genesis.json), and the operator's profile. Each step
 * stands on what the one before left in a file, so a crash between any two is made good by the next start.
 * @throws CONFIG_INVALID when the database holds another mesh key than trust.json: they do not belong together.
 */
export function ensureGenesis(
  home: Home,
  identities: Identities,
  meshPublicKey: string,
  bus: Pick<Profile, 'natsUrl' | 'tls'>,
): TrustRoot {
  const meshId = meshIdOf(meshPublicKey);
  const known = readTrust(home);
  if (known !== undefined) {
    if (known.meshPublicKey !== meshPublicKey) throw notTogether();
    return finishGenesis(home, identities, known);
  }
  const operator = ensureOperator(home, meshId, meshPublicKey, bus);
  const trust: TrustRoot = {
    v: 1,
    meshId,
    meshPublicKey,
    bundlePublicKey: identities.bundlePublicKey,
    operators: [{ name: FIRST_OPERATOR, channelKey: signingKeyIn(operator.channelSeed).publicKeyText }],
  };
  writeWhole(home.trust, `${JSON.stringify(trust, null, 2)}\n`);
  return finishGenesis(home, identities, trust);
}

/** @returns undefined before the first initialisation. */
export const readTrust = (home: Home): TrustRoot | undefined => {
  const parsed = trustRoot.safeParse(readJson(home.trust));
  return parsed.success ? parsed.data : undefined;
};

const notTogether = () =>
  failure('CONFIG_INVALID', {
    publicMessage:
      'The database holds another mesh key than trust.json: it is not the database of this KEYMESH_HOME. Restore the database, or start with a new KEYMESH_HOME.',
  });

// The keys come first: trust.json and genesis.json name them, and nobody could sign for an operator whose keys were lost.
function ensureOperator(
  home: Home,
  meshId: string,
  meshPublicKey: string,
  { natsUrl, tls }: Pick<Profile, 'natsUrl' | 'tls'>,
): Profile {
  const path = home.profile(FIRST_OPERATOR);
  const there = profileSchema.safeParse(readJson(path));
  if (there.success && there.data.meshPublicKey === meshPublicKey) return there.data;
  const profile: Profile = {
    v: 1,
    name: FIRST_OPERATOR,
    meshId,
    meshPublicKey,
    principal: FIRST_OPERATOR,
    kind: 'operator',
    natsUrl,
    nkeySeed: Buffer.from(createUser().getSeed()).toString('latin1'),
    channelSeed: toBase64Url(randomBytes(32)),
    ...(tls === undefined ? {} : { tls }),
  };
  writeWhole(path, `${JSON.stringify(profile, null, 2)}\n`);
  return profile;
}

function finishGenesis(home: Home, identities: Identities, trust: TrustRoot): TrustRoot {
  if (readJson(home.genesis) !== undefined) return trust;
  const operator = profileSchema.safeParse(readJson(home.profile(FIRST_OPERATOR)));
  if (!operator.success) {
    throw failure('CONFIG_INVALID', {
      publicMessage: `${home.profile(FIRST_OPERATOR)} is missing, and initialisation had not ended: start with a new KEYMESH_HOME.`,
    });
  }
  const key = signingKeyIn(operator.data.channelSeed);
  const grant = (
    principal: string,
    of: Pick<StatementOf<'principal.granted'>, 'kind' | 'nkey' | 'channelKey'> & { roles: readonly Role[] },
  ): string =>
    signStatement(
      {
        v: 1,
        type: 'principal.granted',
        meshId: trust.meshId,
        statementId: randomUUID(),
        issuedAt: new Date().toISOString(),
        issuer: FIRST_OPERATOR,
        principal,
        ...of,
        roles: [...of.roles],
      },
      key,
    );
  const statements = [
    grant(FIRST_OPERATOR, {
      kind: 'operator',
      roles: ['operator'],
      nkey: publicNkey(operator.data.nkeySeed),
      channelKey: key.publicKeyText,
    }),
    ...SERVICES.map((service) =>
      grant(servicePrincipal(service), {
        kind: 'system',
        roles: SERVICE_ROLES[service],
        nkey: identities.nats.publicNkeys[service],
        channelKey: identities.channelKeys[service],
      }),
    ),
  ];
  writeWhole(home.genesis, `${JSON.stringify({ statements }, null, 2)}\n`);
  return trust;
}

/**
 * Profiles of this mesh name its address and the authority of its server: with others than at the last start they are written anew.
 * `caFile`: null for none; absent: what a profile says of TLS stays.
 */
export function readdressProfiles(
  home: Home,
  names: readonly string[],
  meshId: string,
  { natsUrl, caFile }: { readonly natsUrl: string; readonly caFile?: string | null },
): void {
  for (const name of names) {
    const profile = profileSchema.safeParse(readJson(home.profile(name)));
    if (!profile.success || profile.data.meshId !== meshId) continue;
    const { tls: { caFile: before, ...own } = {}, ...rest } = profile.data;
    const now = caFile === undefined ? before : (caFile ?? undefined);
    if (rest.natsUrl === natsUrl && before === now) continue;
    const tls = { ...own, ...(now === undefined ? {} : { caFile: now }) };
    const readdressed = { ...rest, natsUrl, ...(Object.keys(tls).length === 0 ? {} : { tls }) };
    writeWhole(home.profile(name), `${JSON.stringify(readdressed, null, 2)}\n`);
  }
}
