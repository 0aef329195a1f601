import { connect, readProfile, writeProfile, type Keymesh, type Profile } from '@keymesh/client';
import type { Role } from '@keymesh/contracts';
import { enrolReader } from '../../src/bench/enrol.js';
import type { RunningMesh } from './running-mesh.js';

/** The first operator's profile and connection. */
export async function connectOperator(
  mesh: RunningMesh,
): Promise<{ readonly profile: Profile; readonly keymesh: Keymesh }> {
  const profile = await readProfile(mesh.home, 'operator');
  return { profile, keymesh: await connect({ profile }) };
}

/** Invites and enrols a service principal; its profile is kept in the home, where the CLI finds it. */
export async function enrolAs(
  mesh: RunningMesh,
  operator: { readonly profile: Profile; readonly keymesh: Keymesh },
  name: string,
  roles: readonly Role[],
): Promise<Profile> {
  const profile = await enrolReader(operator.keymesh, operator.profile, name, roles);
  await writeProfile(mesh.home, profile);
  return profile;
}
