import { describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { makeBundlePublisher } from './bundle-publisher.js';

/** The bucket as the server keeps it: a revision more with every put, and only over the expected one. */
function makeBucket() {
  let held = { version: 0, revision: 0 };
  let failing = 0;
  const puts: number[] = [];
  return {
    puts,
    held: () => held.version,
    set: (version: number) => (held = { version, revision: held.revision + 1 }),
    failNext: (times: number) => (failing = times),
    look: () => Promise.resolve(held),
    async put(bytes: Uint8Array, expectedRevision: number) {
      await Promise.resolve();
      if (failing > 0) {
        failing -= 1;
        throw failure('UNAVAILABLE');
      }
      if (expectedRevision !== held.revision) throw failure('VERSION_CONFLICT');
      held = { version: bytes[0] ?? 0, revision: held.revision + 1 };
      puts.push(held.version);
      return held.revision;
    },
  };
}
const bundle = (version: number) => ({ version, bytes: Uint8Array.of(version) });

describe('the bundle publisher', () => {
  it('resolves when the bundle is there, and skips those that a newer one has overtaken', async () => {
    const bucket = makeBucket();
    const publisher = makeBundlePublisher(bucket);
    await Promise.all([1, 2, 3].map((version) => publisher.publish(bundle(version))));
    expect(bucket.held()).toBe(3);
    expect(bucket.puts.length).toBeLessThan(3);
  });

  it('never puts an older bundle over a newer one of another instance', async () => {
    const bucket = makeBucket();
    const publisher = makeBundlePublisher(bucket);
    await publisher.publish(bundle(1));
    bucket.set(9);
    await publisher.publish(bundle(2));
    expect(bucket.held()).toBe(9);
  });

  it('tells when it could not, and does it later', async () => {
    const bucket = makeBucket();
    const publisher = makeBundlePublisher(bucket);
    bucket.failNext(1);
    await expectCode(publisher.publish(bundle(4)), 'UNAVAILABLE');
    expect(publisher.isUpToDate()).toBe(false);
    await publisher.ensure();
    expect(publisher.isUpToDate()).toBe(true);
    expect(bucket.held()).toBe(4);
  });

  it('heals a bucket that was emptied or put back', async () => {
    const bucket = makeBucket();
    const publisher = makeBundlePublisher(bucket);
    await publisher.publish(bundle(5));
    bucket.set(2);
    await publisher.ensure();
    expect(bucket.held()).toBe(5);
  });
});
