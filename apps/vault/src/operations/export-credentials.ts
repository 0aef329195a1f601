import type { ExportedCredential, exportCredentials } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { credentialResource, namespaceResource, type AskPolicy } from '../domain/access.js';
import type { Audited } from '../domain/audit-trail.js';
import { timestampOrNull, type Credential } from '../domain/credential.js';
import { canonicalName } from '../domain/name.js';
import type { MetadataIndex } from '../domain/ports.js';
import { describable } from './list-credentials.js';
import { permitOn } from './permit.js';

export interface ExportCredentialsPorts {
  readonly audited: Audited;
  readonly index: Pick<MetadataIndex, 'listByName'>;
  readonly askPolicy: AskPolicy;
  readonly clock: Clock;
}

/**
 * Says what the caller may take away in an export, and records that it does: the values are asked for after it.
 * @throws DENIED for who may not export at all, STORE_UNAVAILABLE, AUDIT_UNAVAILABLE
 */
export function makeExportCredentials(ports: ExportCredentialsPorts): Handler<typeof exportCredentials> {
  const { audited, index, askPolicy, clock } = ports;
  return audited<typeof exportCredentials>('credential.exported', async (request, call, attempt) => {
    const nowMs = clock.now();
    const { namespace, pageSize } = request;
    permitOn({ askPolicy, call, attempt, nowMs }, 'export', namespaceResource(namespace ?? '*'));
    const { credentials, stale } = await index.listByName();
    const candidates = credentials.filter((credential) => isWithin(credential, namespace));
    const after = request.after === undefined ? undefined : canonicalName(request.after);
    // Everything is counted once, with the first page; a later one decides no more than it shows.
    const allowed = await describable(
      candidates.filter(({ name }) => after === undefined || name > after),
      after === undefined ? Infinity : pageSize + 1,
      (credential) => mayExport(ports, call, credential, nowMs),
    );
    const page = allowed.slice(0, pageSize);
    const total = after === undefined ? allowed.length : null;
    attempt.note({
      credentials: page.length,
      ...(total === null ? {} : { total }),
      ...(stale ? { stale } : {}),
    });
    await attempt.succeeded();
    return {
      credentials: page.map(toExported),
      total,
      more: allowed.length > page.length,
    };
  });
}

const isWithin = (credential: Credential, namespace: string | undefined): boolean =>
  namespace === undefined ||
  credential.namespace === namespace ||
  credential.namespace.startsWith(`${namespace}/`);

/** An export takes no more than what could be retrieved one by one. */
const mayExport = (
  { askPolicy }: ExportCredentialsPorts,
  call: Call,
  credential: Credential,
  nowMs: number,
): boolean => {
  const resource = credentialResource(credential, nowMs);
  return askPolicy(call, 'export', resource).permitted && askPolicy(call, 'retrieve', resource).permitted;
};

const toExported = (credential: Credential): ExportedCredential => ({
  name: credential.name,
  type: credential.type,
  version: credential.currentVersion,
  ...present({
    provider: credential.provider,
    description: credential.description,
    label: credential.label,
    sensitivity: credential.sensitivity,
    rotation: credential.rotation,
    expiresAt: timestampOrNull(credential.expiresAtMs),
  }),
  ...(credential.tags.length === 0 ? {} : { tags: [...credential.tags] }),
});

/** Without what is null. */
const present = <Fields extends object>(fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as {
    [Name in keyof Fields]?: NonNullable<Fields[Name]>;
  };
