import { failure, parseStrictJson } from '@keymesh/contracts';
import { KeymeshError, SECOND } from '@keymesh/kernel';

const TIMEOUT_MS = 5 * SECOND;
const MAX_BYTES = 256 * 1_024;
const ADDRESS = /^(?:https:\/\/|http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)[:/])/;

/** What keeps us from an issuer's document. For our log: nothing of what it answered. */
const SENTENCES = {
  'not-https': 'Keys are fetched over https only, or from this machine.',
  tls: 'Its certificate does not hold. Put the authority that signed it into NODE_EXTRA_CA_CERTS of the policy service, and check its names and its end.',
  redirect: 'It sends us elsewhere, and what another place says is not what it says. Name the place itself.',
  status: 'It did not answer with a document.',
  'too-large': 'Its document is larger than 256 KiB.',
  'too-slow': 'It took longer than five seconds.',
  'not-json': 'What it answered is no JSON that we read.',
  unreachable: 'Nobody answers there.',
} as const;
export type FetchProblem = keyof typeof SENTENCES;

/** Gets a JSON document of an issuer. @throws UNAVAILABLE for anything but a small one, soon, from the very place that was asked; `details.problem` says why. */
export type FetchJson = (address: string) => Promise<unknown>;

const problem = (why: FetchProblem, cause?: unknown) =>
  failure('UNAVAILABLE', { publicMessage: SENTENCES[why], details: { problem: why }, cause });

/** Over TLS (plain only from this machine), without following redirects: what another place says is not what the rule's issuer says. */
export const fetchJson: FetchJson = async (address) => {
  if (!ADDRESS.test(address)) throw problem('not-https');
  try {
    const response = await fetch(address, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.status >= 300 && response.status < 400) throw problem('redirect');
    if (!response.ok || response.body === null) throw problem('status');
    return parse(await readBounded(response.body as AsyncIterable<Uint8Array>));
  } catch (error) {
    throw KeymeshError.is(error) ? error : problem(problemOf(error), error);
  }
};

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_BYTES) throw problem('too-large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes);
  } catch {
    throw problem('not-json'); // the parser's failure may repeat what it read
  }
}

// Node says why as a code on the cause; those of OpenSSL's verification have many names, those of the network begin alike.
const NETWORK = /^(E[A-Z]+|UND_ERR_.+)$/;

function problemOf(error: unknown): FetchProblem {
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'too-slow';
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const isTls = code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code === 'EPROTO';
  return isTls || (code !== '' && !NETWORK.test(code)) ? 'tls' : 'unreachable';
}
