import {
  makeAcceptor,
  makeChannelKeyPair,
  importChannelKey,
  openSession,
  readChannelKey,
  signChannelKey,
} from '@keymesh/channel';
import { HOUR, makeSigningKey, systemClock } from '@keymesh/kernel';
import { PAYLOAD_BYTES } from './fleet.js';
import { percentileOf } from './load.js';
import { cpuUsSince } from './process-cpu.js';

/** What the channel costs by itself, both ends in this process, CPU microseconds. */
export interface ChannelCosts {
  /** A client opens a session and the service accepts it. */
  readonly setUpUs: number;
  /** A request is encrypted and decrypted, its reply as well; each of 256 bytes. */
  readonly messageUs: number;
}

const SET_UPS = 200;
const MESSAGES = 20_000;
const BATCHES = 20;

/** Medians over batches, so that a pause of the machine is not in them. */
export async function measureChannel(): Promise<ChannelCosts> {
  const [mesh, client] = [makeSigningKey().key, makeSigningKey().key];
  const { publicKey, privateKey } = await makeChannelKeyPair();
  const now = Date.now();
  const fields = { service: 'vault', publicKey, notBefore: now, notAfter: now + HOUR };
  const service = readChannelKey(signChannelKey(fields, mesh), mesh.publicKeyText, 'vault', now);
  if (service === undefined) throw new Error('the benchmark’s own channel key is not valid');
  const key = await importChannelKey(service, privateKey);
  const acceptor = makeAcceptor({
    service: 'vault',
    privateKey: () => key,
    isChannelKeyOf: () => true,
    clock: systemClock,
  });
  const open = () => openSession({ principal: 'bench', signingKey: client, service, clock: systemClock });

  const setUps: number[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const before = process.cpuUsage();
    for (let n = 0; n < SET_UPS / BATCHES; n += 1) await acceptor.accept((await open()).setupHeader);
    setUps.push(cpuUsSince(before) / (SET_UPS / BATCHES));
  }
  const session = await open();
  const accepted = await acceptor.accept(session.setupHeader);
  const body = new Uint8Array(PAYLOAD_BYTES);
  const partsHeader = String(PAYLOAD_BYTES);
  const messages: number[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const before = process.cpuUsage();
    for (let n = 0; n < MESSAGES / BATCHES; n += 1) {
      const binding = {
        subject: 'keymesh.v1.rpc.bench.vault.credential.retrieve',
        requestId: `r${String(n)}`,
      };
      const asked = { ...binding, deadlineMs: 5_000, partsHeader };
      accepted.decryptRequest({ ...asked, ...session.encryptRequest({ ...asked, body }) });
      session.decryptReply({
        ...binding,
        partsHeader,
        ...accepted.encryptReply({ ...binding, partsHeader, body }),
      });
    }
    messages.push(cpuUsSince(before) / (MESSAGES / BATCHES));
  }
  return { setUpUs: percentileOf(setUps, 0.5), messageUs: percentileOf(messages, 0.5) };
}
