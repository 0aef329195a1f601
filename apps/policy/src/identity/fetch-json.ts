import { SECOND } from '@keymesh/kernel';
import { parseStrictJson } from '@keymesh/contracts';

const TIMEOUT_MS = 5 * SECOND;
const MAX_BYTES = 256 * 1_024;
const ADDRESS = /^(?:https:\/\/|http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)[:/])/;

/** Gets a JSON document of an issuer. @throws for anything but a small one, soon, from the very place that was asked. */
export type FetchJson = (address: string) => Promise<unknown>;

/** Over TLS (plain only from this machine), without following redirects: what another place says is not what the rule's issuer says. */
export const fetchJson: FetchJson = async (address) => {
  if (!ADDRESS.test(address)) throw new TypeError('keys are fetched over https');
  const response = await fetch(address, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok || response.body === null)
    throw new TypeError('the issuer did not answer with a document');
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_BYTES) throw new TypeError('the document of the issuer is too large');
    parts.push(part);
  }
  return parseStrictJson(Buffer.concat(parts));
};
