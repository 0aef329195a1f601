import type { keyStatus, ReplyOf } from '@keymesh/contracts';
import { SECOND, type Clock } from '@keymesh/kernel';
import type { Handler } from '@keymesh/mesh';
import { namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import type { KekFacts, KeyReports } from '../domain/key-jobs.js';
import type { Kms } from '../kms/kms.js';
import { permitOn } from './permit.js';
import { ALL_NAMESPACES } from './rewrap-keys.js';

export interface KeyStatusPorts {
  readonly audited: Audited;
  readonly askPolicy: AskPolicy;
  readonly keyReports: Pick<KeyReports, 'listKeks' | 'listSystemKeys'>;
  readonly kms: Pick<Kms, 'provider' | 'keyId'>;
  readonly clock: Clock;
}

/** KEKs with their age and use, system keys, and the KMS that wraps. @throws DENIED, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE */
export function makeKeyStatus(ports: KeyStatusPorts): Handler<typeof keyStatus> {
  const { audited, askPolicy, keyReports, kms, clock } = ports;
  return audited<typeof keyStatus>('namespace-key.read', async (request, call, attempt) => {
    const nowMs = clock.now();
    const namespace = request.namespace ?? ALL_NAMESPACES;
    attempt.concerns('namespace', namespace);
    permitOn({ askPolicy, call, attempt, nowMs }, 'key.read', namespaceResource(namespace));
    const keks = await keyReports.listKeks(request.namespace);
    const systemKeys = [...(await keyReports.listSystemKeys())];
    await attempt.succeeded();
    return {
      keks: keks.map((kek) => tellKek(kek, nowMs)),
      systemKeys,
      root: { provider: kms.provider, providerKeyId: kms.keyId },
    };
  });
}

const tellKek = (kek: KekFacts, nowMs: number): ReplyOf<typeof keyStatus>['keks'][number] => ({
  namespace: kek.namespace,
  kekId: kek.kekId,
  version: kek.version,
  state: kek.destroyed ? 'destroyed' : kek.active ? 'active' : 'retired',
  createdAt: new Date(kek.createdAtMs).toISOString(),
  ageSeconds: Math.max(0, Math.floor((nowMs - kek.createdAtMs) / SECOND)),
  provider: kek.provider,
  providerKeyId: kek.providerKeyId,
  rows: kek.rows,
});
