import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeSigningKey } from '@keymesh/kernel';
import {
  checkpointText,
  noteVerifierOf,
  openNote,
  parseCheckpoint,
  parseNoteVerifier,
  signNote,
} from './index.js';

const NAME = 'keymesh.example/log';
const { key } = makeSigningKey();
const verifier = noteVerifierOf(NAME, key.publicKeyText);
const text = checkpointText({ origin: NAME, size: 5, root: new Uint8Array(32).fill(9) });
const note = signNote(text, NAME, key);

describe('signed notes', () => {
  // SOURCE: golang.org/x/mod/sumdb/note, the example of its documentation.
  it("opens Go's example", () => {
    const peter = parseNoteVerifier('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const example =
      'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n\n" +
      '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
    expect(openNote(example, peter!).ok).toBe(true);
    expect(openNote(example.replace('problem is', 'problem was'), peter!)).toEqual({
      ok: false,
      reason: 'invalid-signature',
    });
  });

  it('opens what it signed', () => {
    expect(openNote(note, verifier)).toEqual({ ok: true, text });
    expect(parseNoteVerifier(verifier.text)?.text).toBe(verifier.text);
  });

  it('no change of any byte opens to another text', () => {
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        const changed = Buffer.from(bytes);
        changed[at] = changed[at]! ^ xor;
        expect(openNote(changed.toString('utf8'), verifier).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('ignores signatures of others, but not a wrong one that claims the known key', () => {
    const other = makeSigningKey().key;
    const lineOf = (signed: string): string => signed.slice(signed.lastIndexOf('\n\n') + 2);
    const witness = lineOf(signNote(text, 'witness.example', other));
    expect(openNote(note + witness, verifier)).toEqual({ ok: true, text });
    expect(openNote(`${text}\n${witness}`, verifier)).toEqual({ ok: false, reason: 'no-known-signature' });
    const wrong = lineOf(signNote(`${text}more\n`, NAME, key));
    expect(openNote(note + wrong, verifier)).toEqual({ ok: false, reason: 'invalid-signature' });
  });

  it.each(['', 'two words', 'a+b', 'tab\tname', 'line\nname'])('%j is no key name', (name) => {
    expect(() => noteVerifierOf(name, key.publicKeyText)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });

  it.each([
    'x',
    verifier.text.replace(NAME, 'other.example'),
    verifier.text.replace(/\+[0-9a-f]{8}\+/, '+00000000+'),
    verifier.text.slice(0, -4),
    `${verifier.text}AAAA`,
  ])('%s is no verifier key', (bad) => {
    expect(parseNoteVerifier(bad)).toBeUndefined();
  });
});

describe('checkpoints', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (size, bytes) => {
        const checkpoint = { origin: NAME, size, root: new Uint8Array(bytes) };
        expect(parseCheckpoint(checkpointText(checkpoint))).toEqual(checkpoint);
      }),
    );
  });

  it('extension lines are ignored', () => {
    expect(parseCheckpoint(`${text}extension\n`)?.size).toBe(5);
  });

  it.each([
    text.slice(0, -1),
    text.replace('\n5\n', '\n05\n'),
    text.replace('\n5\n', '\n-5\n'),
    text.replace('\n5\n', '\n99999999999999999999\n'),
    text.replace('\n5\n', '\n9007199254740993\n'),
    text.replace(/^.*\n/, '\n'),
    text.replace('=\n', '\n'),
    `${text}\n`,
    'a\n1\n',
    '',
  ])('refuses %j', (bad) => {
    expect(parseCheckpoint(bad)).toBeUndefined();
  });
});
