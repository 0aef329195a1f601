import {
  failure,
  SERVICES,
  servicePrincipal,
  type certifyChannelKey,
  type ServiceName,
} from '@keymesh/contracts';
import { signChannelKey } from '@keymesh/channel';
import { DAY, fromBase64Url, type Clock, type SigningKey } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import type { AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { permitOn } from './permit.js';

const CHANNEL_KEY_BYTES = 32;

/** Signs, with the mesh key, that an X25519 public key is this service's channel key for the next 24 hours. */
export const certifyKey = (
  service: ServiceName,
  publicKey: string,
  meshKey: SigningKey,
  nowMs: number,
): string => signChannelKey({ service, publicKey, notBefore: nowMs, notAfter: nowMs + DAY }, meshKey);

export interface CertifyChannelKeyPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly meshKey: SigningKey;
  readonly clock: Clock;
}

/**
 * Certifies the channel key of the service that asks. Which service that is, its own channel has proven.
 * @throws DENIED for anybody but a service of the mesh, BAD_REQUEST for what is no key, AUDIT_UNAVAILABLE
 */
export function makeCertifyChannelKey(ports: CertifyChannelKeyPorts): Handler<typeof certifyChannelKey> {
  const { audited, askPolicy, meshKey, clock } = ports;
  return audited<typeof certifyChannelKey>('channel-key.certified', async ({ publicKey }, call, attempt) => {
    const service = SERVICES.find((name) => servicePrincipal(name) === call.principal);
    attempt.concerns('channel-key', call.principal);
    const nowMs = clock.now();
    permitOn({ askPolicy, call, attempt, nowMs }, 'channel-key.certify', {
      kind: 'channel-key',
      id: call.principal,
      attributes: {},
    });
    if (service === undefined) throw attempt.denied(failure('DENIED'));
    if (fromBase64Url(publicKey)?.length !== CHANNEL_KEY_BYTES) {
      throw failure('BAD_REQUEST', { publicMessage: 'publicKey must be 32 bytes in unpadded base64url.' });
    }
    await attempt.succeeded();
    return { statement: certifyKey(service, publicKey, meshKey, nowMs) };
  });
}
