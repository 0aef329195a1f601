import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CONSUMERS, failure, HEADERS, subjects } from '@keymesh/contracts';
import { utf8 } from '@keymesh/kernel';
import {
  consume,
  consumeBatches,
  getPolicyBundle,
  isEventSignedBy,
  publishEvent,
  publishPush,
  putPolicyBundle,
  watchPolicyBundle,
  type Consumption,
  type Delivery,
  type MeshConnection,
} from '../src/index.js';
import { eventually, expectCode, startTestMesh, type TestMesh } from '@keymesh/testing';
import { randomBytes } from 'node:crypto';

let mesh: TestMesh;
let vault: MeshConnection;
let rotation: MeshConnection;
let policy: MeshConnection;
const stops: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  mesh = await startTestMesh();
  vault = await mesh.connectAs('vault');
  rotation = await mesh.connectAs('rotation');
  policy = await mesh.connectAs('policy');
});
afterAll(() => mesh.stop());
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const subject = subjects.event('vault', 'version', 'promoted');
let counter = 0;
const publish = async (text: string): Promise<void> => {
  counter += 1;
  await publishEvent(vault, subject, `event-${counter}`, utf8(text), {
    signingKey: mesh.identities.vault.signingKey,
  });
};
const textOf = ({ data }: Delivery): string => Buffer.from(data).toString();
const started = (consumption: Consumption): Consumption => {
  stops.push(() => consumption.stop());
  return consumption;
};

describe('events', () => {
  it('arrive with id and signature, once for one id', async () => {
    const seen: Delivery[] = [];
    started(
      consume(rotation, CONSUMERS.rotationEvents, (delivery) => {
        seen.push(delivery);
        return Promise.resolve();
      }),
    );
    const key = mesh.identities.vault.signingKey;
    const options = { signingKey: key, headers: { traceparent: 'tp' } };
    await publishEvent(vault, subject, 'same-id', utf8('{}'), options);
    await publishEvent(vault, subject, 'same-id', utf8('{}'), options);
    await publish('last');
    await eventually(() => expect(seen.map(textOf)).toEqual(['{}', 'last']));
    const [event] = seen;
    expect(event).toMatchObject({ subject, deliveryCount: 1 });
    expect(event!.header('traceparent')).toBe('tp');
    expect(event!.header('absent')).toBeUndefined();
    expect(Math.abs(event!.storedAt - Date.now())).toBeLessThan(10_000);
    const signed = {
      subject: event!.subject,
      id: event!.header(HEADERS.eventId)!,
      bytes: event!.data,
      signature: event!.header(HEADERS.signature)!,
    };
    const publicKey = key.publicKeyText;
    expect(isEventSignedBy([mesh.bundleKey.publicKeyText, publicKey], signed)).toBe(true);
    expect(isEventSignedBy([mesh.bundleKey.publicKeyText], signed)).toBe(false);
    expect(
      isEventSignedBy([publicKey], { ...signed, subject: 'keymesh.v1.evt.vault.credential.deleted' }),
    ).toBe(false);
    expect(isEventSignedBy([publicKey], { ...signed, id: 'other' })).toBe(false);
    expect(isEventSignedBy([publicKey], { ...signed, bytes: utf8('{ }') })).toBe(false);
    expect(isEventSignedBy([publicKey], { ...signed, signature: 'no signature' })).toBe(false);
  });

  it('that no stream takes are UNAVAILABLE, not lost in silence', async () => {
    await expectCode(publishEvent(vault, subjects.invalidate('vault'), 'x', utf8('{}')), 'UNAVAILABLE');
  });

  it('as pushes reach the principal, over the account boundary', async () => {
    const billing = await mesh.connectAs(mesh.addPrincipal('billing'));
    const pushed: string[] = [];
    billing.nats.subscribe(subjects.pushTo('billing'), {
      callback: (_error, msg) => void pushed.push(msg.string()),
    });
    await billing.nats.flush();
    await publishPush(rotation, subjects.push('billing', 'credential', 'rotated'), utf8('{"id":1}'));
    await eventually(() => expect(pushed).toEqual(['{"id":1}']));
  });
});

const rejectedAt = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('the instance is dead')), { once: true }),
  );

describe('consume', () => {
  it('tries again what failed, gives up only what is malformed, and goes on meanwhile', async () => {
    const attempts: string[] = [];
    const failures: string[] = [];
    started(
      consume(
        rotation,
        CONSUMERS.rotationEvents,
        (delivery) => {
          const text = textOf(delivery);
          attempts.push(text);
          if (text === 'poison') return Promise.reject(failure('MALFORMED_MESSAGE'));
          if (text === 'flaky' && delivery.deliveryCount < 3)
            return Promise.reject(failure('STORE_UNAVAILABLE'));
          return Promise.resolve();
        },
        { onFailure: (delivery, _error, next) => void failures.push(`${textOf(delivery)} ${next}`) },
      ),
    );
    await publish('poison');
    await publish('flaky');
    await publish('fine');
    await eventually(() => expect(attempts.filter((text) => text === 'flaky')).toHaveLength(3), {
      timeoutMs: 10_000,
    });
    expect(attempts.indexOf('fine')).toBeLessThan(attempts.lastIndexOf('flaky'));
    expect(failures).toEqual(['poison given-up', 'flaky retry', 'flaky retry']);
    expect(attempts.filter((text) => text === 'poison')).toHaveLength(1);
  });

  it('in order lets nothing overtake what fails', async () => {
    const done: string[] = [];
    let failuresLeft = 2;
    started(
      consume(
        rotation,
        CONSUMERS.rotationEvents,
        (delivery) => {
          const text = textOf(delivery);
          if (text === 'first' && failuresLeft-- > 0) return Promise.reject(new Error('not now'));
          done.push(text);
          return Promise.resolve();
        },
        { ordered: true },
      ),
    );
    await publish('first');
    await publish('second');
    await eventually(() => expect(done).toEqual(['first', 'second']), { timeoutMs: 10_000 });
  });

  it('in order begins again at the first unacknowledged message after the process died', async () => {
    const never: string[] = [];
    const dying = consume(
      rotation,
      CONSUMERS.rotationEvents,
      (delivery) => {
        never.push(textOf(delivery));
        return new Promise(() => undefined); // holds it, as a process that dies holds it
      },
      { ordered: true },
    );
    await publish('held');
    await publish('later');
    await eventually(() => expect(never).toEqual(['held']));
    void dying.stop();

    const done: string[] = [];
    const startedAt = performance.now();
    started(
      consume(
        rotation,
        CONSUMERS.rotationEvents,
        (delivery) => {
          done.push(textOf(delivery));
          return Promise.resolve();
        },
        { ordered: true },
      ),
    );
    await eventually(() => expect(done).toEqual(['held', 'later']));
    expect(performance.now() - startedAt).toBeLessThan(3_000); // not after the ack wait of 30 s
  });

  it('in batches takes what is there at once, and the same again when it fails', async () => {
    const batches: string[][] = [];
    for (let index = 0; index < 30; index += 1) await publish(`b${index}`);
    let isFirst = true;
    started(
      consumeBatches(rotation, CONSUMERS.rotationEvents, (deliveries) => {
        batches.push(deliveries.map(textOf));
        if (!isFirst) return Promise.resolve();
        isFirst = false;
        return Promise.reject(new Error('the database is away'));
      }),
    );
    await eventually(() => expect(batches.length).toBeGreaterThanOrEqual(2));
    const all = Array.from({ length: 30 }, (_, index) => `b${index}`);
    expect(batches.slice(0, 2)).toEqual([all, all]);
    await publish('after');
    await eventually(() => expect(batches.at(-1)).toEqual(['after']));
  });

  it('in batches of several instances, one acknowledges nothing that another still works on', async () => {
    const audit = await mesh.connectAs('audit');
    const feed = (id: string) =>
      publishEvent(audit, subjects.audit('vault', 'credential', 'retrieved'), id, utf8(id));
    const instances = await Promise.all([1, 2].map(() => mesh.connectAs('anomaly-detector')));
    const dead = new AbortController();
    let stuck: MeshConnection | undefined;
    const done: string[] = [];
    for (const instance of instances) {
      started(
        consumeBatches(instance, CONSUMERS.detector, (deliveries) => {
          if (stuck === undefined) stuck = instance;
          if (stuck === instance) return rejectedAt(dead.signal); // dies before its transaction commits
          done.push(...deliveries.map(textOf));
          return Promise.resolve();
        }),
      );
    }
    await feed('first');
    await eventually(() => expect(stuck).toBeDefined());
    await feed('second');
    await eventually(() => expect(done).toContain('second'));
    await Promise.all(instances.map((instance) => instance.nats.close()));
    dead.abort();
    expect(done).not.toContain('first');

    const heir = await mesh.connectAs('anomaly-detector');
    started(
      consumeBatches(heir, CONSUMERS.detector, (deliveries) => {
        done.push(...deliveries.map(textOf));
        return Promise.resolve();
      }),
    );
    await eventually(() => expect(done).toContain('first'), { timeoutMs: 10_000 });
  });

  it('survives kill -9 of the server, and in order nothing is lost or reordered', async () => {
    const done: string[] = [];
    started(
      consume(
        rotation,
        CONSUMERS.rotationEvents,
        (delivery) => {
          done.push(textOf(delivery));
          return Promise.resolve();
        },
        { ordered: true },
      ),
    );
    const texts: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 20; index += 1) {
        texts.push(`k${round}-${index}`);
        await eventually(() => publish(`k${round}-${index}`), { timeoutMs: 10_000 });
      }
      await mesh.server.kill();
      await mesh.server.restart();
    }
    texts.push('end');
    await eventually(() => publish('end'), { timeoutMs: 10_000 });
    await eventually(() => expect(done).toContain('end'), { timeoutMs: 15_000 });
    const firsts = done.filter((text, index) => done.indexOf(text) === index && /^k|end/.test(text));
    expect(firsts).toEqual(texts.filter((text, index) => texts.indexOf(text) === index));
  });
});

describe('the policy bundle', () => {
  it('is put with the revision it replaces, got, and watched: newest only, also across a server restart', async () => {
    expect(await getPolicyBundle(vault)).toBeUndefined();
    const seen: string[] = [];
    const watch = watchPolicyBundle(vault, (bytes) => void seen.push(Buffer.from(bytes).toString()));
    stops.push(() => watch.stop());
    const first = await putPolicyBundle(policy, utf8('bundle 1'), 0);
    await eventually(() => expect(seen).toEqual(['bundle 1']));
    await expectCode(putPolicyBundle(policy, utf8('stale'), 0), 'VERSION_CONFLICT');
    const second = await putPolicyBundle(policy, utf8('bundle 2'), first);
    await eventually(() => expect(seen).toEqual(['bundle 1', 'bundle 2']), { timeoutMs: 2_000 });
    await mesh.server.kill();
    await mesh.server.restart();
    const third = await eventually(() => putPolicyBundle(policy, utf8('bundle 3'), second), {
      timeoutMs: 10_000,
    });
    await eventually(() => expect(seen.at(-1)).toBe('bundle 3'));
    const stored = await getPolicyBundle(vault);
    expect(stored).toMatchObject({ revision: third });
    expect(Buffer.from(stored!.bytes).toString()).toBe('bundle 3');
  });

  it('makes who decides wait from the news of a change until the bundle is taken', async () => {
    let taken = '';
    const watch = watchPolicyBundle(vault, async (bytes) => {
      await pause(100);
      taken = Buffer.from(bytes).toString();
    });
    stops.push(() => watch.stop());
    // From the start: what was kept may be older than what is there.
    expect(watch.settling()).toBeDefined();
    await watch.settling();
    await putPolicyBundle(policy, utf8('taken away'));
    // Whoever asks the vault now was told of the change: its question comes after the news.
    await vault.nats.flush();
    expect(watch.settling()).toBeDefined();
    await watch.settling();
    expect(taken).toBe('taken away');
    expect(watch.settling()).toBeUndefined();
  });

  it('makes nobody wait for more than a second for a bundle that cannot be read', async () => {
    const watch = watchPolicyBundle(vault, () => Promise.reject(new Error('not readable')));
    stops.push(() => watch.stop());
    await putPolicyBundle(policy, utf8('not readable'));
    await vault.nats.flush();
    await watch.settling();
    expect(watch.settling()).toBeUndefined();
  });

  it('is given again to a watcher that failed on it', async () => {
    let calls = 0;
    const watch = watchPolicyBundle(vault, () => {
      calls += 1;
      if (calls === 1) throw new Error('not yet');
    });
    stops.push(() => watch.stop());
    await eventually(() => expect(calls).toBe(2));
  });

  it('may be several megabytes before compression, and no more than the bus carries after', async () => {
    const text = 'operator statement '.repeat(200_000);
    await putPolicyBundle(policy, utf8(text));
    expect((await getPolicyBundle(vault))?.bytes.length).toBe(text.length);
    await expectCode(putPolicyBundle(policy, randomBytes(1_100_000)), 'PAYLOAD_TOO_LARGE');
  });

  it('cannot be put by another service', async () => {
    await expectCode(putPolicyBundle(vault, utf8('mine')), 'UNAVAILABLE');
  });
});
