import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  deactivateCredential,
  deleteCredential,
  issueLease,
  listLeases,
  renewLease,
  retrieveCredential,
  revokeLease,
  revokeLeases,
  storeCredential,
  type ReplyOf,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Caller } from '@keymesh/mesh';
import { eventually, expectCode } from '@keymesh/testing';
import { jwtVerify } from 'jose';
import { API_KEY, text, textOf } from './fakes.js';
import { startVaultWorld, type VaultWorld } from './support/vault-world.js';

const CAP = 5;

describe('leases', () => {
  let world: VaultWorld;
  let writer: Caller;
  let operator: Caller;
  const clients = new Map<string, Caller>();
  const client = async (name: string): Promise<Caller> => {
    const known = clients.get(name) ?? (await world.addClient(name, ['reader']));
    clients.set(name, known);
    return known;
  };
  const issue = (who: Caller, name: string, more: { ttlSeconds?: number; audience?: string } = {}) =>
    who.call(issueLease, { name, ...more });

  beforeAll(async () => {
    world = await startVaultWorld();
    writer = await world.addClient('writer', ['writer']);
    operator = await world.addClient('boss', ['operator']);
    const limits = {
      KEYMESH_LEASE_MAX_PER_PRINCIPAL: String(CAP),
      KEYMESH_LEASE_DEFAULT_TTL_SECONDS: '60',
      KEYMESH_LEASE_MAX_TTL_SECONDS: '600',
    };
    await world.startVault(limits);
    await world.startVault(limits);
    await writer.call(storeCredential, { name: 'key', type: 'api_key', values: { value: text(API_KEY) } });
    await writer.call(storeCredential, { name: 'signer', type: 'jwt_signing_key', generate: {} });
  }, 60_000);
  afterAll(() => world.stop(), 30_000);

  it('hand out a value for a time, with a record of the lease and one of the release', async () => {
    const alice = await client('alice');
    const { lease, values } = await issue(alice, 'key', { ttlSeconds: 9_999 });
    expect(textOf(values.value)).toBe(API_KEY);
    expect(lease).toMatchObject({ principal: 'alice', kind: 'value', state: 'live', version: 1 });
    // Cut down to the longest that there is.
    expect(Date.parse(lease.expiresAt) - Date.parse(lease.issuedAt)).toBe(600_000);
    const records = await outboxRecords(world, 'lease.issued');
    expect(records.filter(({ facts }) => facts?.leaseId === lease.leaseId)).toHaveLength(1);
    expect((await alice.call(listLeases, {})).leases.map(({ leaseId }) => leaseId)).toContain(lease.leaseId);
  });

  it('mint a token with a key that nobody sees', async () => {
    const bob = await client('bob');
    const { lease, values } = await issue(bob, 'signer', { audience: 'https://api.example' });
    const token = textOf(values.token);
    expect(Object.keys(values)).toEqual(['token']);
    const key = await publicKeyOf(writer, 'signer');
    const { payload, protectedHeader } = await jwtVerify(token, key, { audience: 'https://api.example' });
    expect(payload).toMatchObject({ sub: 'bob', jti: lease.leaseId, iss: 'keymesh' });
    expect(payload.exp).toBe(Math.floor(Date.parse(lease.expiresAt) / 1_000));
    expect(protectedHeader.kid).toBeDefined();

    const renewed = await bob.call(renewLease, { leaseId: lease.leaseId, ttlSeconds: 500 });
    const next = await jwtVerify(textOf(renewed.values?.token), key);
    expect(next.payload.exp).toBeGreaterThan(payload.exp ?? Infinity);
    await expectCode(issue(bob, 'key', { audience: 'x' }), 'BAD_REQUEST');
  });

  it('mint tokens only for whom the owner of the key says, and in the name that it says', async () => {
    await writer.call(storeCredential, {
      name: 'strict-signer',
      type: 'jwt_signing_key',
      generate: {},
      values: { issuer: text('https://issuer.example'), audiences: text('one two') },
    });
    const ivan = await client('ivan');
    const { values } = await issue(ivan, 'strict-signer', { audience: 'two' });
    const { payload } = await jwtVerify(textOf(values.token), await publicKeyOf(writer, 'strict-signer'));
    expect(payload).toMatchObject({ iss: 'https://issuer.example', aud: 'two' });
    await expectCode(issue(ivan, 'strict-signer', { audience: 'three' }), 'DENIED');
    await expectCode(issue(ivan, 'strict-signer'), 'DENIED');
  });

  it('are renewed by their principal alone, up to their last moment and no further', async () => {
    const carol = await client('carol');
    const { lease } = await issue(carol, 'key', { ttlSeconds: 10 });
    await expectCode((await client('alice')).call(renewLease, { leaseId: lease.leaseId }), 'LEASE_NOT_FOUND');
    const longer = await carol.call(renewLease, { leaseId: lease.leaseId, ttlSeconds: 9_999 });
    expect(longer).toMatchObject({ isCurrent: true, lease: { expiresAt: lease.maxExpiresAt } });
    expect(longer.values).toBeUndefined();
    const again = await carol.call(renewLease, { leaseId: lease.leaseId, ttlSeconds: 1 });
    expect(again.lease.expiresAt).toBe(lease.maxExpiresAt);
  });

  it('tell that there is a newer version, and end with theirs', async () => {
    const dave = await client('dave');
    const store = (more: object) =>
      writer.call(storeCredential, {
        name: 'moving',
        type: 'api_key',
        values: { value: text(`${API_KEY}${String(Math.random())}`) },
        ...more,
      });
    await store({});
    const { lease } = await issue(dave, 'moving');
    await store({ expectedVersion: 'any' });
    expect(await dave.call(renewLease, { leaseId: lease.leaseId })).toMatchObject({ isCurrent: false });
    await store({ expectedVersion: 'any' });
    await expectCode(dave.call(renewLease, { leaseId: lease.leaseId }), 'LEASE_EXPIRED');
    await writer.call(deleteCredential, { name: 'moving' });
    await expectCode(dave.call(renewLease, { leaseId: lease.leaseId }), 'CREDENTIAL_NOT_FOUND');
  });

  it('are revoked by their principal or an operator, once and for all', async () => {
    const erin = await client('erin');
    const [first, second] = [await issue(erin, 'key'), await issue(erin, 'key')];
    const { leaseId } = first.lease;
    await expectCode((await client('alice')).call(revokeLease, { leaseId }), 'LEASE_NOT_FOUND');
    expect((await erin.call(revokeLease, { leaseId })).lease.state).toBe('revoked');
    expect((await operator.call(revokeLease, { leaseId })).lease.state).toBe('revoked');
    await expectCode(erin.call(renewLease, { leaseId }), 'LEASE_EXPIRED');
    await expectCode((await client('alice')).call(revokeLeases, { principal: 'erin' }), 'DENIED');
    expect(await operator.call(revokeLeases, { principal: 'erin' })).toEqual({ revoked: 1 });
    await expectCode(erin.call(renewLease, { leaseId: second.lease.leaseId }), 'LEASE_EXPIRED');
    expect((await erin.call(listLeases, {})).leases).toEqual([]);
    expect((await erin.call(listLeases, { ended: true })).leases).toHaveLength(2);
    const events = await world.rows.query<{ id: string }[]>(
      `SELECT id FROM outbox WHERE subject = 'keymesh.v1.evt.vault.lease.revoked'
         AND convert_from(payload, 'utf8')::jsonb->>'principal' = 'erin'`,
    );
    expect(events).toHaveLength(2);
  });

  it('end with their credential, deactivated or deleted, in the same transaction', async () => {
    const judy = await client('judy');
    for (const takeAway of [deactivateCredential, deleteCredential]) {
      const name = `short-${takeAway.verb}`;
      await writer.call(storeCredential, {
        name,
        type: 'api_key',
        values: { value: text(`${API_KEY}-${takeAway.verb}`) },
      });
      const { lease } = await issue(judy, name);
      await writer.call(takeAway as typeof deleteCredential, { name });
      const { leases } = await judy.call(listLeases, { ended: true });
      expect(leases.find(({ leaseId }) => leaseId === lease.leaseId)?.state).toBe('revoked');
    }
  });

  it('are capped for each principal, also when it asks two instances at once', async () => {
    const runaway = await client('runaway');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, () => issue(runaway, 'key').then(({ lease }) => lease.leaseId)),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused.map(({ reason }) => (KeymeshError.is(reason) ? reason.code : String(reason)))).toEqual(
      Array(40 - CAP).fill('LEASE_LIMIT_REACHED'),
    );
    expect((await runaway.call(listLeases, {})).leases).toHaveLength(CAP);
    // Nobody else is held back, and one that ends makes room.
    await issue(await client('frank'), 'key');
    await operator.call(revokeLeases, { principal: 'runaway' });
    await issue(runaway, 'key');
  });

  it('expire by themselves, with a record each, and make room', async () => {
    const gina = await client('gina');
    const issued: ReplyOf<typeof issueLease>[] = [];
    for (let count = 0; count < CAP; count += 1) issued.push(await issue(gina, 'key', { ttlSeconds: 2 }));
    await expectCode(issue(gina, 'key'), 'LEASE_LIMIT_REACHED');
    await eventually(() => issue(gina, 'key', { ttlSeconds: 2 }), { timeoutMs: 10_000 });
    await expectCode(gina.call(renewLease, { leaseId: issued[0]?.lease.leaseId ?? '' }), 'LEASE_EXPIRED');
    const ids = issued.map(({ lease }) => lease.leaseId).sort();
    await eventually(
      async () => {
        const records = await outboxRecords(world, 'lease.expired');
        const expired = records.map(({ facts }) => facts?.leaseId ?? '').filter((id) => ids.includes(id));
        expect(expired.sort()).toEqual(ids); // each once
      },
      { timeoutMs: 40_000 },
    );
  }, 60_000);

  it('whose rows were changed by hand are refused', async () => {
    const { lease } = await issue(await client('heidi'), 'key', { ttlSeconds: 30 });
    const heidi = await client('heidi');
    await world.rows.query(
      `UPDATE lease SET max_expires_at = max_expires_at + interval '1 year' WHERE lease_id = $1`,
      [lease.leaseId],
    );
    await expectCode(heidi.call(renewLease, { leaseId: lease.leaseId }), 'CREDENTIAL_DAMAGED');
    await world.rows.query('DELETE FROM lease WHERE lease_id = $1', [lease.leaseId]);
  });

  it('are issued to nobody who may not have the value', async () => {
    const auditor = await world.addClient('looker', ['auditor']);
    await expectCode(issue(auditor, 'key'), 'DENIED');
    await expectCode(issue(auditor, 'absent'), 'CREDENTIAL_NOT_FOUND');
  });
});

async function publicKeyOf(writer: Caller, name: string) {
  const { values } = await writer.call(retrieveCredential, { name });
  return createPublicKey(textOf(values.public_key));
}

interface Recorded {
  readonly facts?: Readonly<Record<string, string>>;
}
async function outboxRecords({ rows }: VaultWorld, type: string): Promise<Recorded[]> {
  const found = await rows.query<{ content: Recorded }[]>(
    `SELECT convert_from(payload, 'utf8')::jsonb AS content FROM outbox
     WHERE kind = 'journal' AND convert_from(payload, 'utf8')::jsonb->>'type' = $1`,
    [type],
  );
  return found.map(({ content }) => content);
}
