import { fork, type ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import { failure } from '@keymesh/contracts';
import { concat, Secret, utf8, type KeymeshError } from '@keymesh/kernel';
import { textOfContext } from './bound-context.js';
import type { Kms } from './kms.js';
import { kmsUnavailable, notWrappedHere } from './kms-failures.js';
import type { TokenPlace, TokenReply, TokenRequest } from './pkcs11-token.js';

export interface Pkcs11Options {
  /** Path of the maker's library. */
  readonly module: string;
  readonly tokenLabel: string;
  /** Where two tokens have the same label. */
  readonly slot?: number | undefined;
  /** Label of an AES-256 key that is sensitive and not extractable. */
  readonly keyLabel: string;
  /** The caller keeps ownership until the vault stops: a lost token is logged into again. */
  readonly pin: Secret;
  /** Environment of the token's process; absent: the vault's own, where makers' libraries look for their settings. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Another program in place of the token's process, for specs. */
  readonly program?: string;
}

/** A call, with the start of the token's process where there is none. */
const CALL_TIMEOUT_MS = 4_000;
/** More than this many at once is a token that does not keep up. */
const MAX_WAITING = 64;
const FORMAT = 1;
/** Format, nonce and tag. */
const LEAST_BYTES = 1 + 12 + 16;
const PROGRAM = join(import.meta.dirname, `pkcs11-token${extname(import.meta.filename)}`);

/**
 * A hardware security module by PKCS#11: AES-256-GCM inside the token, with the context as its additional data. The maker's library runs in a process of
 * its own, which is killed when a call hangs and started anew by the next one.
 *
 * Wrapped: u8 format = 1 ‖ nonce (12) ‖ ciphertext ‖ tag (16).
 */
export function makePkcs11Kms(options: Pkcs11Options): Kms {
  const { ask, stop } = makeTokenProcess(options);
  return {
    provider: 'pkcs11',
    keyId: `${options.tokenLabel}/${options.keyLabel}`,
    async wrapKey(plain, context) {
      // EXPOSE: the token wraps what it is given; the copy in its process is zeroed.
      return concat(Uint8Array.of(FORMAT), await ask('wrap', plain.expose(), aadOf(context)));
    },
    async unwrapKey(wrapped, context) {
      if (wrapped.length < LEAST_BYTES || wrapped[0] !== FORMAT) throw notWrappedHere();
      return new Secret(await ask('unwrap', wrapped.subarray(1), aadOf(context)), 'unwrapped-key');
    },
    dispose: stop,
  };
}

const aadOf = (context: Readonly<Record<string, string>>): Uint8Array => utf8(textOfContext(context));

type Ask = (call: TokenRequest['call'], bytes: Uint8Array, aad: Uint8Array) => Promise<Uint8Array>;

interface Waiting {
  readonly done: (reply: TokenReply) => void;
  readonly failed: (error: KeymeshError) => void;
}

interface TokenProcess {
  readonly ask: Ask;
  /** Ends it, and with it session and login; no other is started. */
  readonly stop: () => void;
}

function makeTokenProcess(options: Pkcs11Options): TokenProcess {
  const waiting = new Map<number, Waiting>();
  let child: ChildProcess | undefined;
  let refused: KeymeshError | undefined;
  let lastId = 0;

  const giveUp = (reason: string): void => {
    // What is killed has nothing more to say, and its errors concern nobody.
    child?.removeAllListeners().on('error', () => undefined);
    child?.kill('SIGKILL');
    child = undefined;
    for (const { failed } of waiting.values()) failed(kmsUnavailable('pkcs11', reason));
    waiting.clear();
  };
  const start = (): ChildProcess => {
    const started = startTokenProcess(options);
    started.on('message', (reply: TokenReply) => waiting.get(reply.id)?.done(reply));
    started.once('error', () => giveUp('its process does not run'));
    started.once('exit', () => giveUp('its process ended'));
    return started;
  };

  const ask: Ask = async (call, bytes, aad) => {
    // INVARIANT: what the configuration got wrong is not tried again: a token locks itself after a few wrong PINs.
    if (refused !== undefined) throw refused;
    if (waiting.size >= MAX_WAITING) throw kmsUnavailable('pkcs11', 'too many calls at once');
    const running = (child ??= start());
    const id = (lastId += 1);
    const timer = setTimeout(() => giveUp('no answer'), CALL_TIMEOUT_MS);
    try {
      const reply = await new Promise<TokenReply>((done, failed) => {
        waiting.set(id, { done, failed });
        running.send({ id, call, bytes, aad } satisfies TokenRequest, (error) => {
          if (error !== null) failed(kmsUnavailable('pkcs11', 'its process ended'));
        });
      });
      if ('bytes' in reply) return reply.bytes;
      throw reply.outcome === 'invalid' ? (refused = invalid(reply.reason)) : failureOf(reply);
    } finally {
      clearTimeout(timer);
      waiting.delete(id);
    }
  };
  return {
    ask,
    stop() {
      refused = kmsUnavailable('pkcs11', 'it was let go of');
      giveUp('it was let go of');
    },
  };
}

const invalid = (rule: string): KeymeshError =>
  failure('CONFIG_INVALID', { publicMessage: `KEYMESH_KMS=pkcs11: ${rule}.` });

const failureOf = ({ outcome, reason }: Extract<TokenReply, { outcome: unknown }>): KeymeshError =>
  outcome === 'refused' ? notWrappedHere() : kmsUnavailable('pkcs11', reason);

function startTokenProcess(options: Pkcs11Options): ChildProcess {
  const { module, tokenLabel, slot, keyLabel, environment, program = PROGRAM } = options;
  const child = fork(program, [], {
    serialization: 'advanced',
    // Nothing of a maker's library gets into our output, and none of our flags into its process.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: ['--no-warnings'],
    ...(environment === undefined ? {} : { env: { ...environment } }),
  });
  // EXPOSE: the token's process logs in with it; not in arguments or environment, where others could read it.
  child.send({ module, tokenLabel, slot, keyLabel, pin: options.pin.expose() } satisfies TokenPlace);
  // A task that is done may end though the token's process is there; that ends when we are gone.
  child.unref();
  child.channel?.unref();
  return child;
}
