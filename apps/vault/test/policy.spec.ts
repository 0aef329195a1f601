import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { retrieveCredential, storeCredential, type PublicError } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { getPolicyBundle, putPolicyBundle, type Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { API_KEY, text } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

describe('the policy that the vault decides by', () => {
  let world: VaultWorld;
  let writer: Caller;
  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  const retrieve = (caller: Caller, name = 'key') => caller.call(retrieveCredential, { name });
  const told = (work: Promise<unknown>): Promise<Pick<PublicError, 'code' | 'message' | 'retryable'>> =>
    work.then(
      () => Promise.reject(new Error('expected a failure')),
      (error: unknown) => {
        if (!KeymeshError.is(error)) throw error;
        return {
          code: error.code as never,
          message: error.publicMessage ?? '',
          retryable: error.retryable ?? false,
        };
      },
    );

  it('answers a denied caller over the bus exactly as if there were no such credential', async () => {
    await world.startVault();
    await writer.call(storeCredential, { name: 'key', type: 'api_key', values: { value: text(API_KEY) } });
    const stranger = await world.addClient('stranger', ['plain-reply']);
    const denied = await eventually(() => told(retrieve(stranger)));
    expect(denied.code).toBe('CREDENTIAL_NOT_FOUND');
    expect(await told(retrieve(stranger, 'absent'))).toEqual(denied);
  });

  it('takes away at once what a newer bundle takes away, and never goes back to an older one, also not after a restart', async () => {
    const reader = await world.addClient('reader', ['reader']);
    await eventually(() => retrieve(reader));
    const policy = await world.mesh.connectAs('policy');
    const older = await getPolicyBundle(policy);
    await world.publish([{ principal: 'reader', status: 'disabled', until: null, reason: 'spec' }]);
    await eventually(async () => expect((await told(retrieve(reader))).code).not.toBe(''));
    const refused = await told(retrieve(reader));
    expect(['CHANNEL_REJECTED', 'DENIED', 'CREDENTIAL_NOT_FOUND', 'PRINCIPAL_LOCKED']).toContain(
      refused.code,
    );

    // Whoever owns the broker shows the older bundle again, to running instances and to one that starts.
    await putPolicyBundle(policy, older!.bytes);
    await eventually(async () => {
      const [row] = await world.rows.query<{ version: number }[]>('SELECT version FROM bundle_floor');
      expect(row?.version).toBeGreaterThan(1);
    });
    await world.stopVaults();
    await world.startVault();
    expect((await told(retrieve(reader))).code).toBe(refused.code);
    await eventually(() => retrieve(writer));
  }, 60_000);

  it('limits what one principal may ask for', async () => {
    await world.stopVaults();
    await world.startVault({ KEYMESH_RATE_LIMIT_PER_SECOND: '1', KEYMESH_RATE_LIMIT_BURST: '5' });
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => retrieve(writer)));
    const codes = results.map((result) =>
      result.status === 'rejected' ? (result.reason as { code: string }).code : 'success',
    );
    expect(codes.filter((code) => code === 'success').length).toBeGreaterThanOrEqual(5);
    expect(codes.filter((code) => code === 'RATE_LIMITED').length).toBeGreaterThan(15);
    await expectCode(retrieve(writer), 'RATE_LIMITED');
  }, 60_000);
});
