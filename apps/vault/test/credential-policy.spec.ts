import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  checkQuality,
  describeCredential,
  describeType,
  listRotatable,
  retrieveCredential,
  storeCredential,
  type CredentialPolicyDocument,
} from '@keymesh/contracts';
import { getPolicyBundle, putPolicyBundle, type Caller } from '@keymesh/mesh';
import { openBundle, signBundle, signStatement } from '@keymesh/policy-engine';
import { eventually, expectCode } from '@keymesh/testing';
import { text } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

// Twelve characters of every kind: good by what is built in.
const PASSWORD = 'gT7#mQ2!xK9$';
const WAIT = { timeoutMs: 40_000 };

describe('the credential policy that operators wrote', () => {
  let world: VaultWorld;
  let writer: Caller;
  let last: string | null = null;
  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    await world.startVault();
    await eventually(() => storeAs('known', PASSWORD), WAIT);
  }, 120_000);
  afterAll(() => world.stop(), 30_000);

  const storeAs = (name: string, password: string, namespace = 'default') =>
    writer.call(storeCredential, {
      name: namespace === 'default' ? name : `${namespace}/${name}`,
      type: 'username_password',
      values: { username: text('somebody'), password: text(password) },
      expectedVersion: 'any',
    });

  /** As the policy service does it: the operator's statement goes into the next bundle. @returns when the vault has taken it. */
  async function write(
    document: CredentialPolicyDocument | string | null,
    isSeen: 'seen' | 'unseen' = 'seen',
  ): Promise<void> {
    const bus = await world.mesh.connectAs('policy');
    const { bundle } = openBundle((await getPolicyBundle(bus))!.bytes, world.mesh.trustRoot);
    const statementId = randomUUID();
    const said = signStatement(
      {
        v: 1,
        meshId: world.mesh.trustRoot.meshId,
        statementId,
        issuedAt: new Date().toISOString(),
        issuer: world.mesh.operator.name,
        type: 'credential-policy.set',
        document: typeof document === 'object' && document !== null ? JSON.stringify(document) : document,
        basedOn: last,
      },
      world.mesh.operator.signingKey,
    );
    last = document === null ? null : statementId;
    const next = { ...bundle, version: bundle.version + 1, statements: [...bundle.statements, said] };
    await putPolicyBundle(bus, signBundle(next, world.mesh.bundleKey));
    if (isSeen === 'unseen') return;
    await eventually(async () => {
      const [row] = await world.rows.query<{ version: number }[]>('SELECT version FROM bundle_floor');
      expect(row?.version).toBe(next.version);
    }, WAIT);
  }

  it('holds for the next store, at once and without a restart, in its namespaces alone', async () => {
    await storeAs('login', PASSWORD, 'billing');
    await write({ namespaces: { billing: { minLengthChars: 20 } } });
    await expectCode(storeAs('login', PASSWORD, 'billing'), 'CREDENTIAL_WEAK');
    await storeAs('login', `${PASSWORD}-hW4%rT8&`, 'billing');
    await storeAs('login', PASSWORD);
    const { policy } = await writer.call(describeType, { type: 'username_password', namespace: 'billing' });
    expect(policy.minLengthChars).toBe(20);
    const judged = await writer.call(checkQuality, {
      type: 'username_password',
      namespace: 'billing',
      values: { username: text('somebody'), password: text(PASSWORD) },
    });
    expect(judged.findings.map(({ rule }) => rule)).toContain('min-length');
  });

  it('says at once when what is stored already has expired and is rotated, and whether it is still handed out', async () => {
    await writer.call(storeCredential, {
      name: 'aging',
      type: 'username_password',
      values: { username: text('somebody'), password: text(PASSWORD) },
      rotation: { adapter: 'generated' },
    });
    const rotation = await world.asRotation();
    const interval = async () => {
      const { credentials } = await rotation.call(listRotatable, { name: 'aging' });
      return credentials[0]?.rotation?.intervalSeconds;
    };
    expect(await interval()).toBe(30 * 86_400);
    const before = await writer.call(describeCredential, { name: 'aging' });
    expect(Date.parse(before.expiresAt!) - Date.now()).toBeGreaterThan(80 * 86_400_000);
    await write({ defaults: { maxAgeDays: 2, rotationIntervalDays: 1 } });
    const after = await writer.call(describeCredential, { name: 'aging' });
    expect(Date.parse(after.expiresAt!) - Date.now()).toBeLessThan(2 * 86_400_000);
    expect(await interval()).toBe(86_400);
    await write({ defaults: { maxAgeDays: 0.000_001, atExpiry: 'refuse' } });
    await expectCode(writer.call(retrieveCredential, { name: 'aging' }), 'CREDENTIAL_EXPIRED');
    await write({ defaults: { maxAgeDays: 0.000_001, atExpiry: 'serve' } });
    await writer.call(retrieveCredential, { name: 'aging' });
  });

  it('stands against the vault’s own file as long as there is one, also after a restart', async () => {
    await world.stopVaults();
    await write({ defaults: { minLengthChars: 20 } }, 'unseen');
    await world.startVault({}, { credentialPolicy: { defaults: { minLengthChars: 10, maxAgeDays: 5 } } });
    await eventually(() => expectCode(storeAs('filed', PASSWORD), 'CREDENTIAL_WEAK'), WAIT);
    await write(null);
    const { policy } = await writer.call(describeType, { type: 'username_password' });
    expect(policy).toMatchObject({ minLengthChars: 10, maxAgeDays: 5 });
    await storeAs('filed', PASSWORD);
  }, 120_000);

  it('of a later release that cannot be read leaves the one before in force, and shows in the health', async () => {
    await write({ defaults: { minLengthChars: 20 } });
    await write('{"defaults":{"colour":"red"}}');
    await expectCode(storeAs('later', PASSWORD), 'CREDENTIAL_WEAK');
    await world.stopVaults();
    const vault = await world.startVault();
    await eventually(() => expectCode(storeAs('later', PASSWORD), 'CREDENTIAL_WEAK'), WAIT);
    expect((await vault.kit.health.report()).checks['credential-policy']?.status).toBe('degraded');
    await write({});
    await storeAs('later', PASSWORD);
    expect((await vault.kit.health.report()).checks['credential-policy']?.status).toBe('ok');
  }, 120_000);
});
