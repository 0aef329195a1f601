import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { fromBase64Url, makeSigningKey } from '@keymesh/kernel';
import { enrolmentIdOf, meshIdOf, meshIdOfHash } from './derived-ids.js';

describe('derived ids', () => {
  it('name the mesh alike from its key and from the hash that a token carries', () => {
    const key = makeSigningKey().key.publicKeyText;
    const hash = new Uint8Array(createHash('sha256').update(fromBase64Url(key)!).digest());
    expect(meshIdOf(key)).toBe(meshIdOfHash(hash));
    expect(meshIdOf(key)).toMatch(/^[0-9a-f]{32}$/);
  });

  it('name the enrolment of a token key by a UUID that never changes (golden)', () => {
    expect(enrolmentIdOf('A'.repeat(43))).toMatchInlineSnapshot(`"66687aad-f862-8d77-8c8f-c18b8e9f8e20"`);
    expect(z.uuid().safeParse(enrolmentIdOf(makeSigningKey().key.publicKeyText)).success).toBe(true);
    expect(enrolmentIdOf('A'.repeat(43))).not.toBe(enrolmentIdOf(`${'A'.repeat(42)}E`));
  });
});
