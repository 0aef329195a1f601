import { beforeEach, describe, expect, it } from '@jest/globals';
import { EVENTS, type RequestInput, type storeCredential } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { DAY } from '@keymesh/kernel';
import { makeCertificate } from '../../test/types/make-certificate.js';
import { API_KEY, callBy, makeTestVault, text, textOf, type TestVault } from '../../test/fakes.js';

describe('storeCredential', () => {
  let vault: TestVault;
  const store = (more: Partial<RequestInput<typeof storeCredential>> = {}, call = callBy('writer')) =>
    vault.operations.storeCredential(
      { name: 'billing/stripe', type: 'api_key', values: { value: text(API_KEY) }, ...more } as never,
      call,
    );
  const rows = () => vault.tables.tables();

  beforeEach(() => {
    vault = makeTestVault();
  });

  it('stores row, record and event in one transaction, and tells the other instances', async () => {
    const reply = await store({ provider: 'acme', tags: ['b', 'a', 'b'] });
    expect(reply).toMatchObject({ name: 'billing/stripe', version: 1, created: true, findings: [] });
    expect(reply.score).toBeGreaterThan(50);
    const credential = rows().credentials.get(reply.credentialId);
    expect(credential).toMatchObject({
      namespace: 'billing',
      owner: 'writer',
      tags: ['a', 'b'],
      currentVersion: 1,
      lastVersion: 1,
    });
    expect(rows().versions.get(`${reply.credentialId}/1`)).toMatchObject({
      stage: 'current',
      createdBy: 'writer',
    });

    const [record, event] = rows().outbox;
    expect(JSON.parse(Buffer.from(record!.payload).toString())).toMatchObject({
      type: 'credential.stored',
      outcome: 'success',
      id: record!.id,
    });
    expect(record!.beside).toMatchObject({ name: 'billing/stripe' });
    expect(event!.subject).toBe(EVENTS.versionPromoted.subject);
    expect(
      EVENTS.versionPromoted.schema.parse(JSON.parse(Buffer.from(event!.payload).toString())),
    ).toMatchObject({
      credentialId: reply.credentialId,
      version: 1,
    });
    expect(Buffer.concat(rows().outbox.map(({ payload }) => Buffer.from(payload))).toString()).not.toMatch(
      /stripe"?\}|xV7!/,
    );
    expect(vault.tables.told).toMatchObject([{ credentialId: reply.credentialId, name: 'billing/stripe' }]);
    // A success is recorded by the transaction alone.
    expect(vault.journaled).toEqual([]);
  });

  it('refuses a weak password with findings, and stores nothing', async () => {
    const values = { username: text('ada'), password: text('hunter2') };
    const error = await expectCode(store({ type: 'username_password', values }), 'CREDENTIAL_WEAK');
    expect(error.details.findings).toContainEqual(
      expect.objectContaining({ rule: 'min-length', severity: 'error' }),
    );
    expect(JSON.stringify(error.details)).not.toContain('hunter2');
    expect(rows().credentials.size).toBe(0);
    expect(vault.journaled[0]?.record).toMatchObject({ outcome: 'failure', code: 'CREDENTIAL_WEAK' });
  });

  it('stores an issued key whatever its classes, and says what it thinks of them', async () => {
    const { findings } = await store({ values: { value: text('demodemodemo') } });
    expect(findings.map(({ severity }) => severity)).not.toContain('error');
    expect(findings.map(({ rule }) => rule)).toContain('low-entropy');
  });

  it('generates a value on request, keeps the given parts, and makes it rotatable', async () => {
    const { credentialId } = await store({
      type: 'username_password',
      values: { username: text('ada') },
      generate: { lengthChars: 24 },
    });
    expect(rows().credentials.get(credentialId)?.rotation).toEqual({ adapter: 'generated' });
    const { values } = await vault.operations.retrieveCredential(
      { name: 'billing/stripe' },
      callBy('reader'),
    );
    expect(textOf(values.username)).toBe('ada');
    expect(values.password?.sizeBytes).toBe(24);
    await expectCode(store({ name: 'n', generate: { lengthChars: 24 } }), 'CREDENTIAL_VALUES_INVALID');
  });

  it('makes the next version only of the expected one; concurrently one of two wins', async () => {
    await expectCode(store({ expectedVersion: 1 }), 'CREDENTIAL_NOT_FOUND');
    const { credentialId } = await store();
    await expectCode(store(), 'CREDENTIAL_EXISTS');
    await expectCode(store({ expectedVersion: 2 }), 'VERSION_CONFLICT');
    const both = await Promise.allSettled([store({ expectedVersion: 1 }), store({ expectedVersion: 1 })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await store({ expectedVersion: 'any' })).version).toBe(3);
    expect([...rows().versions.values()].map(({ version, stage }) => `${String(version)} ${stage}`)).toEqual([
      '1 revoked',
      '2 previous',
      '3 current',
    ]);
    expect(rows().credentials.get(credentialId)).toMatchObject({
      currentVersion: 3,
      previousVersion: 2,
      lastVersion: 3,
    });
  });

  it('keeps what a new version does not mention, and the type', async () => {
    await store({ description: 'first', provider: 'stripe' });
    const { credentialId } = await store({ expectedVersion: 1, provider: 'stripe-eu' });
    expect(rows().credentials.get(credentialId)).toMatchObject({
      description: 'first',
      provider: 'stripe-eu',
    });
    await expectCode(store({ expectedVersion: 2, type: 'generic' }), 'BAD_REQUEST');
  });

  it('does a repeated request once', async () => {
    const call = callBy('writer');
    const first = await store({}, call);
    expect(await store({}, call)).toEqual(first);
    expect(rows().outbox.filter(({ kind }) => kind === 'journal')).toHaveLength(1);
  });

  it('does not put a version between those of a rotation that is under way', async () => {
    const { credentialId } = await store({ values: undefined, generate: { lengthChars: 30 } });
    const rotationId = '018f0000-0000-7000-8000-000000000001';
    await vault.operations.prepareVersion({ credentialId, rotationId }, callBy('_rotation'));
    await expectCode(store({ expectedVersion: 'any' }), 'ROTATION_IN_PROGRESS');
  });

  it.each([
    ['a type that there is not', { type: 'certificate' }, 'CREDENTIAL_TYPE_UNKNOWN'],
    ['no value', { values: undefined }, 'CREDENTIAL_VALUES_INVALID'],
    ['an empty value', { values: { value: text('') } }, 'CREDENTIAL_EMPTY'],
    ['a part too many', { values: { value: text(API_KEY), more: text('x') } }, 'CREDENTIAL_VALUES_INVALID'],
    ['65 KiB', { type: 'generic', values: { value: text('x'.repeat(65 * 1024)) } }, 'PAYLOAD_TOO_LARGE'],
  ] as const)('refuses %s and stores nothing', async (_what, more, code) => {
    await expectCode(store(more), code);
    expect(rows().credentials.size).toBe(0);
    expect(vault.journaled[0]?.record).toMatchObject({ outcome: 'failure', code });
  });

  it('denies who may not store, records it, and looks at no row', async () => {
    await expectCode(store({}, callBy('reader')), 'DENIED');
    expect(vault.journaled[0]?.record).toMatchObject({ outcome: 'denied', code: 'DENIED' });
    expect(rows().credentials.size).toBe(0);
  });

  it.each(['kms', 'store'] as const)('stores nothing while the %s is away', async (what) => {
    if (what === 'kms') vault.kms.away = true;
    else vault.tables.control.away = true;
    await expectCode(store(), what === 'kms' ? 'KMS_UNAVAILABLE' : 'STORE_UNAVAILABLE');
    expect(rows().credentials.size).toBe(0);
  });

  it('gives a name that was deleted a new id, and no number twice', async () => {
    const first = await store();
    await vault.operations.deleteCredential({ name: 'billing/stripe' }, callBy('writer'));
    const second = await store();
    expect(second.credentialId).not.toBe(first.credentialId);
    expect(second.created).toBe(true);
  });

  describe('judges a value before it is stored:', () => {
    const rules = (reply: { findings: readonly { rule: string }[] }) =>
      reply.findings.map(({ rule }) => rule);
    const other = (name: string) => store({ name, values: { value: text(API_KEY) } });

    it('finds one that another live credential of the namespace has, and does not say which', async () => {
      await store();
      const reply = await other('billing/paypal');
      expect(rules(reply)).toEqual(['reused']);
      expect(JSON.stringify(reply.findings)).not.toContain('stripe');
      // Another namespace has another key, and what is deleted does not count.
      expect(rules(await other('shipping/dhl'))).toEqual([]);
      await vault.operations.deleteCredential({ name: 'billing/stripe' }, callBy('writer'));
      await vault.operations.deleteCredential({ name: 'billing/paypal' }, callBy('writer'));
      expect(rules(await other('billing/adyen'))).toEqual([]);
    });

    it('finds one that the credential had before', async () => {
      await store();
      const next = { expectedVersion: 'any' as const };
      expect(rules(await store({ ...next, values: { value: text(`${API_KEY}x`) } }))).toEqual([]);
      expect(rules(await store(next))).toEqual(['repeated']);
    });

    it('keeps the score beside credential and version, and takes it down for what it finds', async () => {
      const first = await store();
      const second = await other('billing/paypal');
      expect(second.score).toBe((first.score ?? 0) - 10);
      expect(rows().credentials.get(second.credentialId)?.strengthScore).toBe(second.score);
      const version = rows().versions.get(`${second.credentialId}/1`);
      expect(version).toMatchObject({ strengthScore: second.score, destroyedAtMs: null });
      expect(version?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
      const metadata = await vault.operations.describeCredential(
        { name: 'billing/paypal' },
        callBy('reader'),
      );
      expect(metadata.strengthScore).toBe(second.score);
    });

    it('keeps a random one at 100 without judging it', async () => {
      const { score, findings } = await store({ values: undefined, generate: { lengthChars: 16 } });
      expect({ score, findings }).toEqual({ score: 100, findings: [] });
    });
  });

  it('reads when a value ends, and takes the earlier of that and what its owner says', async () => {
    const clockStart = vault.clock.now();
    const root = makeCertificate({ name: 'Root', from: clockStart, until: clockStart + 900 * DAY });
    const certificate = (days: number) => {
      const leaf = makeCertificate({
        ...{ name: 'leaf', issuer: root, hosts: ['a.example'] },
        ...{ from: clockStart, until: clockStart + days * DAY },
      });
      return { certificate: text(leaf.pem + root.pem), private_key: text(leaf.keyPem) };
    };
    const expiry = async (days: number, expiresInDays?: number) => {
      const { credentialId } = await store({
        ...{ type: 'tls_certificate', values: certificate(days), expectedVersion: 'any' },
        ...(expiresInDays === undefined
          ? {}
          : { expiresAt: new Date(clockStart + expiresInDays * DAY).toISOString() }),
      });
      return Math.round(((rows().credentials.get(credentialId)?.expiresAtMs ?? 0) - clockStart) / DAY);
    };
    expect(await expiry(90)).toBe(90);
    expect(await expiry(60, 30)).toBe(30);
    // Both belonged to the value before.
    expect(await expiry(45)).toBe(45);
    expect(await expiry(45, 300)).toBe(45);
  });

  it('generates keys for the algorithm that was asked for, and not what only a provider can issue', async () => {
    const generate = { lengthChars: 40, algorithm: 'EdDSA' as const };
    await store({ type: 'jwt_signing_key', values: undefined, generate });
    const { values } = await vault.operations.retrieveCredential(
      { name: 'billing/stripe' },
      callBy('reader'),
    );
    expect(textOf(values.algorithm)).toBe('EdDSA');
    const error = await expectCode(
      store({ name: 'aws', type: 'aws_access_key', values: undefined, generate }),
      'CREDENTIAL_VALUES_INVALID',
    );
    expect(error.publicMessage).toContain('its provider issues it');
  });

  it('refuses a rotation adapter that does not fit the type, and says which do', async () => {
    const error = await expectCode(store({ rotation: { adapter: 'postgres-role' } }), 'ROTATION_UNSUPPORTED');
    expect(error.publicMessage).toContain('generated');
    expect(rows().credentials.size).toBe(0);
  });
});
