import { randomUUID } from 'node:crypto';
import { profileSchema, type Keymesh, type Profile } from '@keymesh/client';
import { createPrincipal, enrolPrincipal, type Role } from '@keymesh/contracts';
import { fromBase64Url, HOUR, makeSigningKey, Secret, signingKeyOf, toBase64Url } from '@keymesh/kernel';
import { callPlain, connectMesh } from '@keymesh/mesh';
import { enrolmentIdOf, makeEnrolmentToken, signStatement } from '@keymesh/policy-engine';
import { createUser, fromSeed, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';

/** Invites and enrols a service (by default a reader) in one go, as `keymesh principal create` and `keymesh enrol` do. */
export async function enrolReader(
  operator: Keymesh,
  operatorProfile: Profile,
  name: string,
  roles: readonly Role[] = ['reader'],
): Promise<Profile> {
  const { meshId, meshPublicKey, natsUrl, principal: issuer } = operatorProfile;
  const { connectSeed, signSeed, token } = makeEnrolmentToken({ principal: name, meshPublicKey });
  token.dispose();
  const tokenKey = signingKeyOf(signSeed);
  // EXPOSE: the nkey library takes the encoded seed.
  const tokenNkey = fromSeed(Codec.encodeSeed(Prefix.User, connectSeed.expose()));
  const common = { v: 1, meshId, principal: name } as const;
  const now = (): string => new Date().toISOString();
  const operatorKey = signingKeyOf(
    new Secret(fromBase64Url(operatorProfile.channelSeed) ?? new Uint8Array(), 'channel-seed'),
  );
  const enrolment = enrolmentIdOf(tokenKey.publicKeyText);
  const expiresAt = new Date(Date.now() + HOUR).toISOString();
  const invited = signStatement(
    {
      ...common,
      type: 'enrolment.issued',
      statementId: enrolment,
      issuedAt: now(),
      issuer,
      kind: 'service',
      roles: [...roles],
      tokenNkey: tokenNkey.getPublicKey(),
      tokenKey: tokenKey.publicKeyText,
      expiresAt,
    },
    operatorKey,
  );
  await operator.call(createPrincipal, { statement: invited });
  const nkey = createUser();
  const { key, seed } = makeSigningKey();
  const completed = signStatement(
    {
      ...common,
      type: 'enrolment.completed',
      statementId: randomUUID(),
      issuedAt: now(),
      issuer: name,
      enrolment,
      nkey: nkey.getPublicKey(),
      channelKey: key.publicKeyText,
    },
    tokenKey,
  );
  const connection = await connectMesh({
    servers: natsUrl,
    nkeySeed: new Secret(tokenNkey.getSeed(), 'nkey-seed'),
    principal: name,
  });
  await callPlain(connection, name, enrolPrincipal, { statement: completed });
  await connection.close();
  // EXPOSE: a profile is where this seed lives; benchmark and specs keep it in memory only.
  const channelSeed = toBase64Url(seed.expose());
  return profileSchema.parse({
    v: 1,
    name,
    meshId,
    meshPublicKey,
    principal: name,
    natsUrl,
    nkeySeed: Buffer.from(nkey.getSeed()).toString('utf8'),
    channelSeed,
  });
}
