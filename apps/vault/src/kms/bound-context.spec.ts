import { describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { bindContext, BOUND_OVERHEAD_BYTES, openBound } from './bound-context.js';

const context = { purpose: 'keymesh/v1/kek', namespaceId: 'n1', kekId: 'k1', kekVersion: '1' };
const key = () => new Secret(new Uint8Array(32).fill(7), 'kek');
const refused = expect.objectContaining({ code: 'DECRYPTION_FAILED' });

describe('a key bound to its context', () => {
  it('comes out where it belongs, in whatever order the context is written', () => {
    const bound = bindContext(key(), context);
    expect(bound.sizeBytes).toBe(32 + BOUND_OVERHEAD_BYTES);
    const turned = Object.fromEntries(Object.entries(context).reverse());
    expect(openBound(bound, turned).equals(key())).toBe(true);
  });

  it('does not come out anywhere else', () => {
    const bound = bindContext(key(), context);
    const others = [{ ...context, kekVersion: '2' }, { ...context, namespaceId: 'n2' }, { purpose: 'x' }, {}];
    for (const other of others) expect(() => openBound(bound, other)).toThrow(refused);
  });

  it('is refused when it is too short to be bound at all, and may be empty inside', () => {
    const bound = bindContext(new Secret(new Uint8Array(), 'empty'), context);
    expect(openBound(bound, context).sizeBytes).toBe(0);
    for (let size = 0; size < BOUND_OVERHEAD_BYTES; size += 1)
      expect(() => openBound(new Secret(bound.expose().slice(0, size), 'cut'), context)).toThrow(refused);
  });

  it('is a copy: neither side wipes the other', () => {
    const plain = key();
    const bound = bindContext(plain, context);
    plain.dispose();
    const opened = openBound(bound, context);
    bound.dispose();
    expect(opened.equals(key())).toBe(true);
  });
});
