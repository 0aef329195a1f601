import { hkdfSync } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { makeRootWrapper, type RootKdf } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { Secret, toHex, utf8 } from '@keymesh/kernel';
import { textOfContext } from './bound-context.js';
import type { Kms } from './kms.js';

export interface LocalKmsOptions {
  /** 32 random bytes, mode 0600. */
  readonly masterKeyFile: string;
  /** Absent: whoever has the file has the keys. */
  readonly passphrase?: Secret | undefined;
  /** For what is wrapped from now on; default pbkdf2. */
  readonly kdf?: RootKdf;
}

const MASTER_KEY_BYTES = 32;
const KEY_ID_BYTES = 8;

/**
 * The KMS of one machine: a key file, strengthened by a passphrase if there is one (PBKDF2 with 600,000 rounds or argon2id with 64 MiB, once a process).
 * @throws CONFIG_INVALID when the file is not there, not 32 bytes, or readable by others.
 */
export function makeLocalKms({ masterKeyFile, passphrase, kdf = 'pbkdf2' }: LocalKmsOptions): Kms {
  using masterKey = readMasterKey(masterKeyFile);
  const root = makeRootWrapper({ masterKey, passphrase, kdf });
  return {
    provider: 'local',
    keyId: keyIdOf(masterKey),
    wrapKey: (plain, context) => root.wrap(textOfContext(context), plain),
    unwrapKey: (wrapped, context) => root.unwrap(textOfContext(context), wrapped),
    dispose: () => root.dispose(),
  };
}

function readMasterKey(path: string): Secret<'master-key'> {
  const invalid = (rule: string) =>
    failure('CONFIG_INVALID', { publicMessage: `KEYMESH_KMS_MASTER_KEY_FILE: the file ${rule}.` });
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) throw invalid('is not there');
  if ((file.mode & 0o077) !== 0) throw invalid('must be readable by its owner only (chmod 600)');
  if (file.size !== MASTER_KEY_BYTES) throw invalid(`must be ${MASTER_KEY_BYTES} bytes`);
  return new Secret(new Uint8Array(readFileSync(path)), 'master-key');
}

/** Names the file without telling anything of it: a one-way value of its 32 random bytes. */
function keyIdOf(masterKey: Secret): string {
  // EXPOSE: goes into a key derivation whose short result names the key.
  const id = hkdfSync(
    'sha256',
    masterKey.expose(),
    new Uint8Array(),
    utf8('keymesh/v1/local-kms/id'),
    KEY_ID_BYTES,
  );
  return toHex(new Uint8Array(id));
}
