import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { guessBits } from './guessability.js';

const bytes = (text: string) => Buffer.from(text);

describe('guessing a password', () => {
  it('keeps the event loop free', async () => {
    let turns = 0;
    const turning = setInterval(() => (turns += 1), 1);
    await guessBits(bytes(randomBytes(60).toString('base64')), []);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(5);
  });

  it('takes nothing away from the caller, who still owns the bytes', async () => {
    const [password, known] = [bytes('Zorgblatt-7!x'), bytes('ada')];
    await guessBits(password, [known]);
    expect([password.toString(), known.toString()]).toEqual(['Zorgblatt-7!x', 'ada']);
  });

  it('answers many at once, each with its own', async () => {
    const passwords = Array.from({ length: 8 }, (_, at) => (at % 2 === 0 ? 'password' : 'xV7!kq-Lw2#tZp'));
    const bits = await Promise.all(passwords.map((password) => guessBits(bytes(password), [])));
    for (const [at, found] of bits.entries()) expect(found! > 36).toBe(at % 2 === 1);
  });

  it('has no number for bytes that are no text', async () => {
    expect(await guessBits(Uint8Array.of(0xff, 0xfe), [])).toBeUndefined();
  });

  it('takes a long one for at least as strong as its beginning', async () => {
    const beginning = 'xV7!kq-Lw2#tZp-93_Rb';
    expect(await guessBits(bytes(beginning.repeat(200)), [])).toBeGreaterThanOrEqual(60);
    expect(await guessBits(bytes('a'.repeat(5_000)), [])).toBeLessThan(20);
  });
});
