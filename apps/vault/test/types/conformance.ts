import { describe, expect, it } from '@jest/globals';
import { MAX_VALUE_BYTES, PART_FORMATS, PRIMARY_PARTS, ROTATION_ADAPTERS } from '@keymesh/contracts';
import { KeymeshError, Secret } from '@keymesh/kernel';
import fc from 'fast-check';
import {
  decodeValues,
  disposeValues,
  encodeValues,
  sizeOfValues,
  type Values,
} from '../../src/domain/parts.js';
import {
  assessQuality,
  type QualityPorts,
  type QualityQuestion,
} from '../../src/domain/quality/assess-quality.js';
import { readCommonPasswords } from '../../src/domain/quality/common-passwords.js';
import { makeCredentialPolicies } from '../../src/domain/quality/credential-policies.js';
import { checkParts } from '../../src/domain/types/check-values.js';
import type { CredentialTypePlugin } from '../../src/domain/types/plugin.js';
import { sampleOf } from './samples.js';

const SEED = Number(process.env.KEYMESH_SEED ?? Date.now() % 2 ** 31);
const CODES = ['CREDENTIAL_EMPTY', 'CREDENTIAL_VALUES_INVALID', 'PAYLOAD_TOO_LARGE'];
const policyOf = makeCredentialPolicies();
// Dictionaries have specs of their own; here they would only take time.
const ports: QualityPorts = { guessBits: () => Promise.resolve(undefined), isCommon: readCommonPasswords() };

const secret = (value: string | Uint8Array): Secret =>
  new Secret(Uint8Array.from(typeof value === 'string' ? Buffer.from(value) : value), 'conformance');
const bytesOf = (part: Secret | undefined): Buffer => Buffer.from(part?.expose() ?? []);

/** What every credential type has to keep. Registered types get it from types.spec.ts. */
export function conformsAsCredentialType(plugin: CredentialTypePlugin): void {
  const assess = (values: Values, more: Partial<QualityQuestion> = {}) =>
    assessQuality(ports, {
      ...{ plugin, values, policy: policyOf('default', plugin.type), known: ['sample'], generated: [] },
      nowMs: Date.now(),
      ...more,
    });
  /** The failure of a value; fails when there is none, or none with a code of values. */
  const refusalOf = async (values: Values): Promise<KeymeshError> => {
    const error: unknown = await assess(values).then(
      () => new Error('it was accepted'),
      (reason: unknown) => reason,
    );
    if (!KeymeshError.is(error)) throw error;
    expect(CODES).toContain(error.code);
    return error;
  };

  describe(`the type ${plugin.type}`, () => {
    it('describes its parts in full', () => {
      const names = plugin.parts.map(({ name }) => name);
      expect(plugin.type).toMatch(/^[a-z][a-z0-9_]{0,31}$/);
      expect(new Set(names).size).toBe(names.length);
      for (const part of plugin.parts) {
        expect(part.name).toMatch(/^[a-z][a-z0-9_]{0,31}$/);
        expect(part.summary).not.toBe('');
        expect(PART_FORMATS).toContain(part.format);
        expect(part.maxBytes).toBeGreaterThan(0);
        expect(part.maxBytes).toBeLessThanOrEqual(MAX_VALUE_BYTES);
      }
      for (const adapter of plugin.rotationAdapters) expect(ROTATION_ADAPTERS).toContain(adapter);
      expect(plugin.generate === undefined).toBe(plugin.generates === undefined);
      // A new version that nobody else makes has to be made here.
      if (plugin.rotationAdapters.includes('generated')) expect(plugin.generate).toBeDefined();
    });

    it('marks what is secret: its primary part, and whatever strength is judged of', () => {
      const primary = plugin.parts.find(({ name }) => name === plugin.primaryPart);
      expect(primary).toMatchObject({ secret: true, required: true });
      for (const part of plugin.parts) if (part.strength !== undefined) expect(part.secret).toBe(true);
      const contracted: Readonly<Record<string, string>> = PRIMARY_PARTS;
      if (Object.hasOwn(contracted, plugin.type)) expect(contracted[plugin.type]).toBe(plugin.primaryPart);
    });

    it('accepts a good value without a finding, and reads its expiry where it says so', async () => {
      const values = await sampleOf(plugin);
      const { findings, expiresAtMs, score } = await assess(values);
      expect(findings).toEqual([]);
      expect(expiresAtMs === null).toBe(!(plugin.readsExpiry ?? false));
      expect(score === null || score >= 80).toBe(true);
      if (expiresAtMs !== null) {
        const later = await assess(values, { nowMs: expiresAtMs });
        expect(later.findings.map(({ rule }) => rule)).toContain('expired');
      }
      disposeValues(values);
    });

    it('generates what it says it generates: good by its own rules, and another one each time', async () => {
      if (plugin.generate === undefined) return;
      const seen = new Set<string>();
      for (const lengthChars of [16, 40, 256, 40]) {
        const made = await plugin.generate({ lengthChars });
        expect(Object.keys(made).sort()).toEqual([...(plugin.generates ?? [])].sort());
        const values = { ...(await sampleOf(plugin)), ...made };
        // Judged as if somebody else had made it.
        const { findings } = await assess(values);
        expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
        expect((await assess(values, { generated: Object.keys(made) })).score).toBe(100);
        seen.add(bytesOf(values[plugin.primaryPart]).toString('hex'));
        // The next one is of the same kind as the one that it replaces.
        const next = { ...values, ...(await plugin.generate({ lengthChars, before: values })) };
        expect((await assess(next)).findings.filter(({ severity }) => severity === 'error')).toEqual([]);
      }
      expect(seen.size).toBe(4);
    });

    it('refuses a part that is missing, too many, empty or too large, and names it', async () => {
      const values = await sampleOf(plugin);
      for (const { name, required, maxBytes } of plugin.parts) {
        const { [name]: _without, ...others } = values;
        if (required) expect((await refusalOf(others)).publicMessage).toContain(name);
        expect((await refusalOf({ ...values, [name]: secret('') })).publicMessage).toContain(name);
        const large = await refusalOf({ ...values, [name]: secret('a'.repeat(maxBytes + 1)) });
        expect(large.code).toBe('PAYLOAD_TOO_LARGE');
        expect(large.publicMessage).toContain(name);
      }
      const foreign = await refusalOf({ ...values, zz_foreign: secret('x') });
      expect(foreign.publicMessage).not.toContain('zz_foreign');
    });

    it('says nothing of a value in a refusal or finding', async () => {
      const values = await sampleOf(plugin);
      const canary = `kc-${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;
      for (const { name } of plugin.parts) {
        const planted = { ...values, [name]: secret(canary) };
        const told: unknown = await assess(planted).then(
          ({ findings }) => findings,
          (error: unknown) => ({ ...(error as object), text: String(error), stack: (error as Error).stack }),
        );
        expect(JSON.stringify(told)).not.toContain(canary);
      }
    });

    it('comes back from its encoding as it went in, compressed or not', async () => {
      const values = await sampleOf(plugin);
      for (const compress of [plugin.compress, !plugin.compress]) {
        using plaintext = encodeValues(values, { compress });
        const decoded = decodeValues(plaintext);
        expect(Object.keys(decoded).sort()).toEqual(Object.keys(values).sort());
        for (const [name, part] of Object.entries(decoded)) expect(part.equals(values[name]!)).toBe(true);
      }
      using plaintext = encodeValues(values, { compress: plugin.compress });
      if (plugin.compress) expect(plaintext.sizeBytes).toBeLessThan(sizeOfValues(values));
    });

    it(`answers any bytes with a code (KEYMESH_SEED=${String(SEED)})`, async () => {
      const values = await sampleOf(plugin);
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.string({ unit: 'binary', maxLength: 100 }).map((text) => Buffer.from(text)),
        fc
          .constantFrom('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', '{}', 'null', '[]')
          .map((text) => Buffer.from(text)),
      );
      const anyParts = fc.dictionary(fc.constantFrom(...plugin.parts.map(({ name }) => name)), bytes);
      await fc.assert(
        fc.asyncProperty(anyParts, fc.boolean(), async (random, onTop) => {
          const parts = Object.fromEntries(
            Object.entries(random).map(([name, part]) => [name, secret(part)]),
          );
          const error: unknown = await assess(onTop ? { ...values, ...parts } : parts).catch(
            (reason: unknown) => reason,
          );
          if (error instanceof Error) expect(CODES).toContain((error as { code?: unknown }).code);
        }),
        { seed: SEED, numRuns: 60 },
      );
    });

    it('reads one byte changed or cut off anywhere without losing its mind', async () => {
      const values = await sampleOf(plugin);
      for (const { name } of plugin.parts.filter((part) => Object.hasOwn(values, part.name))) {
        const whole = bytesOf(values[name]);
        for (const at of [0, 1, whole.length >> 2, whole.length >> 1, whole.length - 1]) {
          const flipped = Buffer.from(whole);
          flipped[at] = (flipped[at] ?? 0) ^ 1;
          for (const broken of [flipped, whole.subarray(0, at), whole.subarray(at)]) {
            const error: unknown = await assess({ ...values, [name]: secret(broken) }).catch(
              (reason: unknown) => reason,
            );
            if (error instanceof Error) expect(CODES).toContain((error as { code?: unknown }).code);
          }
        }
      }
      expect(() => checkParts(plugin, values)).not.toThrow();
    });
  });
}
