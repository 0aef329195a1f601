import { access, constants } from 'node:fs/promises';
import { failure } from '@keymesh/contracts';
import type { TlsOptions } from '@nats-io/transport-node';

/** PEM files for TLS. */
export interface MeshTls {
  /** The authority that signed the server's certificate. */
  readonly caFile?: string | undefined;
  /** This client's own, where the server asks for one (`verify: true`). */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/**
 * What a connection asks of TLS; undefined: what the server offers. Files go by name, because they are read again at each reconnect.
 * INVARIANT: an address with `tls://` or files for TLS never connects in plain, whatever the server says of itself.
 * @throws CONFIG_INVALID naming a file that cannot be read.
 */
export async function tlsOptions(
  servers: string | readonly string[],
  tls: MeshTls | undefined,
): Promise<TlsOptions | undefined> {
  const asked = [servers].flat().some((server) => /^tls:\/\//i.test(server));
  if (tls === undefined) return asked ? {} : undefined;
  const { caFile, certFile, keyFile } = tls;
  await Promise.all([caFile, certFile, keyFile].map(checkReadable));
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}

async function checkReadable(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  await access(file, constants.R_OK).catch((cause: unknown) => {
    throw failure('CONFIG_INVALID', {
      publicMessage: `The TLS file ${file} cannot be read. Check its path and permissions.`,
      cause,
    });
  });
}
