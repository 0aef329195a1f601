import { createHmac, createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';

// A second implementation of what the channel uses of HPKE, written from the RFC, for the golden vectors only: the library
// that the channel uses and this must agree. SOURCE: RFC 9180 sections 4, 4.1, 5.1, 5.3; ids from section 7.
const KEM_ID = '0020';
const SUITE_IDS = `${KEM_ID}00010002`;
const kemSuite = Buffer.concat([Buffer.from('KEM'), Buffer.from(KEM_ID, 'hex')]);
const hpkeSuite = Buffer.concat([Buffer.from('HPKE'), Buffer.from(SUITE_IDS, 'hex')]);
const empty = Buffer.alloc(0);

function labeledExtract(suite: Buffer, salt: Uint8Array, label: string, ikm: Uint8Array): Buffer {
  return createHmac('sha256', salt)
    .update(Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(label), ikm]))
    .digest();
}

function labeledExpand(
  suite: Buffer,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  size: number,
): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(size);
  const labeled = Buffer.concat([length, Buffer.from('HPKE-v1'), suite, Buffer.from(label), info]);
  const blocks: Buffer[] = [];
  let last: Buffer = empty;
  for (let counter = 1; blocks.length * 32 < size; counter++) {
    last = createHmac('sha256', prk)
      .update(Buffer.concat([last, labeled, Buffer.of(counter)]))
      .digest();
    blocks.push(last);
  }
  return Buffer.concat(blocks).subarray(0, size);
}

const privateKeyOf = (raw: Uint8Array) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), raw]),
    format: 'der',
    type: 'pkcs8',
  });
const publicKeyOf = (raw: Uint8Array) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), raw]),
    format: 'der',
    type: 'spki',
  });

/** Both ends' key schedule of base mode, as the recipient has it: expands its secrets by their labels. */
function recipientSchedule(
  privateKey: Uint8Array,
  publicKey: Uint8Array,
  encapsulated: Uint8Array,
  info: Uint8Array,
): (label: string, size: number) => Buffer {
  const dh = diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: publicKeyOf(encapsulated) });
  const kemContext = Buffer.concat([encapsulated, publicKey]);
  const eaePrk = labeledExtract(kemSuite, empty, 'eae_prk', dh);
  const sharedSecret = labeledExpand(kemSuite, eaePrk, 'shared_secret', kemContext, 32);
  const pskIdHash = labeledExtract(hpkeSuite, empty, 'psk_id_hash', empty);
  const infoHash = labeledExtract(hpkeSuite, empty, 'info_hash', info);
  const context = Buffer.concat([Buffer.of(0), pskIdHash, infoHash]);
  const secret = labeledExtract(hpkeSuite, sharedSecret, 'secret', empty);
  return (label, size) => labeledExpand(hpkeSuite, secret, label, context, size);
}

type SetUp = Parameters<typeof recipientSchedule>;

/** The recipient's export function of a base-mode set-up. */
export function recipientExporter(...setUp: SetUp): (context: string, size: number) => Buffer {
  const exporterSecret = recipientSchedule(...setUp)('exp', 32);
  return (label, size) => labeledExpand(hpkeSuite, exporterSecret, 'sec', Buffer.from(label), size);
}

/** Key and nonce of the first message that is sealed with a base-mode set-up (section 5.2: the base nonce, the sequence being 0). */
export function recipientKey(...setUp: SetUp): { readonly key: Buffer; readonly nonce: Buffer } {
  const expand = recipientSchedule(...setUp);
  return { key: expand('key', 32), nonce: expand('base_nonce', 12) };
}

/** HKDF-SHA256 in one call. */
export const hkdf = (key: Uint8Array, salt: Uint8Array, info: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, 32));
