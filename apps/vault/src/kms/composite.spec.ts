import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { openUnderWrappingKey } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import fc from 'fast-check';
import { makeMemberKms } from '../../test/support/member-kms.js';
import { textOfContext } from './bound-context.js';
import { makeRootKms } from './composite.js';
import type { Kms } from './kms.js';
import { readEnvelope, type WrapMode } from './root-envelope.js';

const context = { purpose: 'keymesh/v1/kek', namespaceId: 'n1', kekId: 'k1', kekVersion: '1' };
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');

/** Members named a, b, c, … and one root of them. */
function makeRoot(mode: WrapMode, count: number, more: { strict?: boolean } = {}) {
  const made = Array.from({ length: count }, (_, at) => makeMemberKms(`kms-${'abcdefgh'[at]!}`));
  const members = made.map(({ kms }) => kms);
  return {
    root: makeRootKms({ mode, members, ...more }),
    members,
    controls: made.map(({ control }) => control),
  };
}

const flip = (bytes: Uint8Array, bit: number): Uint8Array =>
  bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

describe('a root of one KMS', () => {
  it('unwraps what it wrapped, and says whose key it is', async () => {
    const { root, members } = makeRoot('any-of', 1);
    const wrapped = await root.wrapKey(key(), context);
    expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    expect({ provider: root.provider, keyId: root.keyId }).toEqual({
      provider: 'kms-a',
      keyId: members[0]!.keyId,
    });
  });

  it('notices a KMS that gives another key than it was given, which alone it could not', async () => {
    const { root, controls } = makeRoot('any-of', 1);
    const wrapped = await root.wrapKey(key(), context);
    controls[0]!.alter = true;
    await expectCode(root.unwrapKey(wrapped, context), 'DECRYPTION_FAILED');
  });
});

describe('any-of', () => {
  it('opens while one member answers, whichever', async () => {
    const { root, controls } = makeRoot('any-of', 3);
    const wrapped = await root.wrapKey(key(), context);
    for (const left of controls) {
      for (const control of controls) control.away = control !== left;
      expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    }
    for (const control of controls) control.away = true;
    await expectCode(root.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
  });

  it('wraps with all members or not at all: an acknowledged key outlives the loss of any', async () => {
    const { root, controls } = makeRoot('any-of', 3);
    for (const control of controls) {
      control.away = true;
      await expectCode(root.wrapKey(key(), context), 'KMS_UNAVAILABLE');
      control.away = false;
    }
  });

  it('goes past a member that gives a wrong key, and past one that refuses the bytes', async () => {
    const { root, controls } = makeRoot('any-of', 2);
    const wrapped = await root.wrapKey(key(), context);
    for (const fault of ['alter', 'refuse'] as const) {
      controls[0]![fault] = true;
      expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    }
    controls[1]!.alter = true;
    await expectCode(root.unwrapKey(wrapped, context), 'DECRYPTION_FAILED');
    controls[1]!.away = true;
    await expectCode(root.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE'); // who is away may have it right
  });

  it('is refused with any bit flipped, the spare’s too: damage is noticed before the spare is needed', async () => {
    const { root } = makeRoot('any-of', 2);
    const wrapped = await root.wrapKey(key(), context);
    for (let bit = 0; bit < wrapped.length * 8; bit += 1)
      await expectRefused(root.unwrapKey(flip(wrapped, bit), context));
  }, 120_000);
});

describe('all-of', () => {
  it('opens only while every member answers', async () => {
    const { root, controls } = makeRoot('all-of', 3);
    const wrapped = await root.wrapKey(key(), context);
    expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    for (const control of controls) {
      control.away = true;
      await expectCode(root.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
      control.away = false;
      control.alter = true;
      await expectCode(root.unwrapKey(wrapped, context), 'DECRYPTION_FAILED');
      control.alter = false;
    }
    expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
  });

  it('gives no member anything that opens the envelope without the others', async () => {
    const { root, controls } = makeRoot('all-of', 2);
    const wrapped = await root.wrapKey(key(), context);
    const { header, box } = readEnvelope(wrapped)!;
    for (const { seen } of controls)
      for (const part of seen) {
        const wrappingKey = new Secret(Uint8Array.from(part), 'part');
        const open = () =>
          openUnderWrappingKey({ wrappingKey, header, box, context: textOfContext(context) });
        expect(open).toThrow(expect.objectContaining({ code: 'DECRYPTION_FAILED' }));
      }
  });

  it('is refused with any bit flipped and any part put in another’s place', async () => {
    const { root } = makeRoot('all-of', 2);
    const wrapped = await root.wrapKey(key(), context);
    for (let bit = 0; bit < wrapped.length * 8; bit += 1)
      await expectRefused(root.unwrapKey(flip(wrapped, bit), context));
    const other = await root.wrapKey(key(), context);
    const { box } = readEnvelope(wrapped)!;
    const mixed = Buffer.concat([readEnvelope(other)!.header, box]);
    await expectCode(root.unwrapKey(mixed, context), 'DECRYPTION_FAILED');
  }, 120_000);

  it('when strict, takes nothing that fewer than all members wrapped', async () => {
    const { root, members } = makeRoot('all-of', 2, { strict: true });
    const [first, second] = members as [Kms, Kms];
    const planted = [
      await first.wrapKey(key(), context),
      await makeRootKms({ mode: 'any-of', members }).wrapKey(key(), context),
      await makeRootKms({ mode: 'all-of', members: [first] }).wrapKey(key(), context),
      await makeRootKms({ mode: 'any-of', members: [second] }).wrapKey(key(), context),
    ];
    for (const wrapped of planted) {
      await expectCode(root.unwrapKey(wrapped, context), 'DECRYPTION_FAILED');
      const lenient = makeRootKms({ mode: 'all-of', members });
      expect((await lenient.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    }
    expect((await root.unwrapKey(await root.wrapKey(key(), context), context)).equals(key())).toBe(true);
  });
});

describe('moving from one configuration to another', () => {
  it('opens what one KMS wrapped alone, before there were envelopes and since', async () => {
    const { root, members } = makeRoot('any-of', 2);
    for (const kms of members) {
      const bare = await kms.wrapKey(key(), context);
      const single = await makeRootKms({ mode: 'any-of', members: [kms] }).wrapKey(key(), context);
      for (const wrapped of [bare, single]) {
        expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
        const both = makeRootKms({ mode: 'all-of', members });
        expect((await both.unwrapKey(wrapped, context)).equals(key())).toBe(true);
      }
    }
  });

  it('goes back to one KMS that was a member; of all-of it takes all of them', async () => {
    const { root, members } = makeRoot('any-of', 2);
    const wrapped = await root.wrapKey(key(), context);
    const parts = await makeRootKms({ mode: 'all-of', members }).wrapKey(key(), context);
    for (const kms of members) {
      const single = makeRootKms({ mode: 'any-of', members: [kms] });
      expect((await single.unwrapKey(wrapped, context)).equals(key())).toBe(true);
      const error = await expectCode(single.unwrapKey(parts, context), 'KMS_UNAVAILABLE');
      expect(error.publicMessage).toContain('KEYMESH_KMS_MEMBERS');
    }
    const stranger = makeRootKms({ mode: 'any-of', members: [makeMemberKms('kms-z').kms] });
    await expectCode(stranger.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
  });

  it('tells what is not wrapped as it is configured now, so that it is rewrapped before a KMS goes', async () => {
    const { root, members } = makeRoot('any-of', 2);
    const [first] = members as [Kms, Kms];
    expect(root.isCurrent(await root.wrapKey(key(), context))).toBe(true);
    const single = makeRootKms({ mode: 'any-of', members: [first] });
    const others = [
      await first.wrapKey(key(), context),
      await single.wrapKey(key(), context),
      await makeRootKms({ mode: 'all-of', members }).wrapKey(key(), context),
      await makeRoot('any-of', 3).root.wrapKey(key(), context),
      Buffer.from('keymesh/wrap'),
      new Uint8Array(),
    ];
    for (const wrapped of others) expect(root.isCurrent(wrapped)).toBe(false);
    const newKey = makeRootKms({ mode: 'any-of', members: [makeMemberKms('kms-a', 'kms-a/2').kms] });
    expect(newKey.isCurrent(await single.wrapKey(key(), context))).toBe(false);
  });

  it('opens for any order of members and modes, whatever wrapped it', async () => {
    const names = ['kms-a', 'kms-b', 'kms-c'];
    const made = new Map(names.map((name) => [name, makeMemberKms(name).kms]));
    const kmsOf = (chosen: readonly string[]) => chosen.map((name) => made.get(name)!);
    const modes = fc.constantFrom<WrapMode>('any-of', 'all-of');
    const some = fc.shuffledSubarray(names, { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(modes, some, modes, some, async (mode, chosen, laterMode, later) => {
        const wrapped = await makeRootKms({ mode, members: kmsOf(chosen) }).wrapKey(key(), context);
        const opened = makeRootKms({ mode: laterMode, members: kmsOf(later) }).unwrapKey(wrapped, context);
        const enough =
          mode === 'any-of'
            ? chosen.some((name) => later.includes(name))
            : chosen.every((name) => later.includes(name));
        if (enough) expect((await opened).equals(key())).toBe(true);
        else await expectCode(opened, 'KMS_UNAVAILABLE');
      }),
      { numRuns: 200 },
    );
  });
});

describe('every root', () => {
  it.each(['any-of', 'all-of'] as const)(
    'of %s refuses another context, cuts and additions, with one same error',
    async (mode) => {
      const { root } = makeRoot(mode, 2);
      const wrapped = await root.wrapKey(key(), context);
      for (const other of [
        { ...context, kekVersion: '2' },
        { purpose: 'x' },
        {},
        { ...context, wraps: mode },
      ])
        await expectCode(root.unwrapKey(wrapped, other), 'DECRYPTION_FAILED');
      for (let size = 0; size < wrapped.length; size += 1)
        await expectCode(root.unwrapKey(wrapped.slice(0, size), context), 'DECRYPTION_FAILED');
      await expectCode(root.unwrapKey(Buffer.concat([wrapped, Buffer.of(0)]), context), 'DECRYPTION_FAILED');
    },
  );

  it('does not take what a member wrapped for it as a key of its own', async () => {
    const { root, members } = makeRoot('any-of', 1);
    const [entry] = readEnvelope(await root.wrapKey(key(), context))!.entries;
    await expectCode(root.unwrapKey(entry!.wrapped, context), 'DECRYPTION_FAILED');
    await expectCode(members[0]!.unwrapKey(entry!.wrapped, context), 'DECRYPTION_FAILED');
  });

  it('does not ask a member that only wraps, unless nobody else is there', async () => {
    const { members } = makeRoot('any-of', 2);
    const recovery: Kms = {
      ...members[1]!,
      wrapsOnly: true,
      unwrapKey: () => Promise.reject(failure('KMS_UNAVAILABLE', { details: { error: 'no shares' } })),
    };
    const root = makeRootKms({ mode: 'any-of', members: [recovery, members[0]!] });
    const wrapped = await root.wrapKey(key(), context);
    expect((await root.unwrapKey(wrapped, context)).equals(key())).toBe(true);
    const alone = makeRootKms({ mode: 'any-of', members: [recovery] });
    await expectCode(alone.unwrapKey(wrapped, context), 'KMS_UNAVAILABLE');
  });

  it('says bad shares rather than an outage', async () => {
    const { members, controls } = makeRoot('any-of', 2);
    const bad: Kms = { ...members[1]!, unwrapKey: () => Promise.reject(failure('RECOVERY_SHARES_INVALID')) };
    const root = makeRootKms({ mode: 'any-of', members: [members[0]!, bad] });
    const wrapped = await root.wrapKey(key(), context);
    controls[0]!.away = true;
    await expectCode(root.unwrapKey(wrapped, context), 'RECOVERY_SHARES_INVALID');
  });
});

describe('an envelope from the past', () => {
  const golden = JSON.parse(
    readFileSync(new URL('../../test/golden/root-envelope-v1.json', import.meta.url), 'utf8'),
  ) as {
    context: Record<string, string>;
    key: string;
    cases: {
      mode: WrapMode;
      members: { provider: string; keyId: string; secret: string }[];
      wrapped: string;
    }[];
  };

  it.each(golden.cases)('opens: $mode', async ({ mode, members, wrapped }) => {
    const known = members.map(
      ({ provider, keyId, secret }) => makeMemberKms(provider, keyId, Buffer.from(secret, 'hex')).kms,
    );
    const bytes = Uint8Array.from(Buffer.from(wrapped, 'hex'));
    const opened = await makeRootKms({ mode, members: known }).unwrapKey(bytes, golden.context);
    expect(Buffer.from(opened.expose()).toString('hex')).toBe(golden.key);
    expect(readEnvelope(bytes)).toMatchObject({
      mode,
      entries: members.map(({ provider, keyId }) => ({ provider, keyId })),
    });
    const head = Buffer.concat([
      Buffer.from('keymesh/wrap'),
      Buffer.of(1, mode === 'any-of' ? 1 : 2, members.length),
    ]);
    expect(Buffer.from(bytes).subarray(0, head.length)).toEqual(head);
  });
});

/** A flipped name of a provider is a KMS that is not there; everything else does not open. Neither gives a key. */
async function expectRefused(unwrapping: Promise<Secret>): Promise<void> {
  const [result] = await Promise.allSettled([unwrapping]);
  const code: unknown = result.status === 'rejected' ? (result.reason as { code?: unknown }).code : undefined;
  expect(['DECRYPTION_FAILED', 'KMS_UNAVAILABLE']).toContain(code);
}
