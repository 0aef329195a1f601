import { describe, expect, it, jest } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { expectCode } from '@keymesh/testing';
import { decodeValues, disposeValues, encodeValues, sizeOfValues } from './parts.js';

describe('the parts of a value', () => {
  it('outlive the plaintext that they were read from', () => {
    const encoded = encodeValues({
      username: Secret.fromText('ada', 'u'),
      password: Secret.fromText('pw', 'p'),
    });
    // What a decipher gives is a Buffer, whose slices are views.
    const plaintext = new Secret(Buffer.from(encoded.expose()), 'plaintext');
    const values = decodeValues(plaintext);
    plaintext.dispose();
    expect(Buffer.from(values.username!.expose()).toString()).toBe('ada');
    expect(Buffer.from(values.password!.expose()).toString()).toBe('pw');
  });

  it('leave no copy behind that nobody can zero', () => {
    const plaintext = encodeValues({ value: Secret.fromText('canary', 'v') });
    const copies = jest.spyOn(Uint8Array, 'from');
    const values = decodeValues(plaintext);
    const made = copies.mock.results.map(({ value }) => value as Uint8Array);
    copies.mockRestore();
    expect(made.map((copy) => Buffer.from(copy).toString())).toContain('canary'); // the control
    disposeValues(values);
    expect(made.flatMap((copy) => [...copy]).every((byte) => byte === 0)).toBe(true);
  });

  it('are at most 64 KiB in all', async () => {
    const half = () => new Secret(new Uint8Array(32 * 1024), 'v');
    expect(sizeOfValues({ a: half(), b: half() })).toBe(65_536);
    expect(encodeValues({ a: half(), b: half() }).sizeBytes).toBeGreaterThan(65_536);
    await expectCode(
      () => encodeValues({ a: half(), b: half(), c: Secret.fromText('x', 'v') }),
      'PAYLOAD_TOO_LARGE',
    );
  });

  it('are all zeroed', () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    disposeValues({ value: new Secret(bytes, 'v') });
    expect([...bytes]).toEqual([0, 0, 0]);
  });
});
