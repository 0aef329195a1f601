import {
  failure,
  type Action,
  type PolicyRequest,
  type ReplyOf,
  type retrieveCredential,
} from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { credentialResource, type AskPolicy } from '../domain/access.js';
import type { Attempt, Audited } from '../domain/audit-trail.js';
import {
  expiresAtMs,
  liveStageOf,
  requireServed,
  timestampOrNull,
  type Credential,
} from '../domain/credential.js';
import { canonicalName } from '../domain/name.js';
import { disposeValues, type Values } from '../domain/parts.js';
import type { ListVersions, Lookup, MetadataIndex, PolicyPort } from '../domain/ports.js';
import { openVersion, type OpenVersionPorts } from './open-version.js';
import { permitLookup, type Question } from './permit.js';

export type RetrieveStage = 'metadata' | 'decide' | 'version' | 'open' | 'journal';

export interface RetrieveCredentialPorts extends OpenCredentialPorts {
  readonly audited: Audited;
  /** For metrics: how long each stage took. */
  readonly onStage?: (stage: RetrieveStage, durationMs: number) => void;
}

export interface OpenCredentialPorts extends OpenVersionPorts {
  readonly index: Pick<MetadataIndex, 'findByName' | 'stillHolds'>;
  readonly policy: Pick<PolicyPort, 'version'>;
  readonly askPolicy: AskPolicy;
  /** Asked only to say why there is no value. */
  readonly listVersions: ListVersions;
  readonly clock: Clock;
}

type Reply = ReplyOf<typeof retrieveCredential>;
interface Selector {
  readonly version?: number | undefined;
  readonly stage?: 'current' | 'previous' | undefined;
  readonly purpose?: string | undefined;
}

// How often a read may find, at the moment of release, that the credential or the policy has just changed.
const MAX_ROUNDS = 5;

/**
 * Hands out a credential's value: metadata from memory → decision → sealed version from memory → decrypt → durable record → release.
 * INVARIANT: no value is returned before the record of exactly this release is durable; otherwise it is wiped.
 * @throws CREDENTIAL_NOT_FOUND (missing, or denied to somebody who may not describe it), DENIED, VERSION_NOT_FOUND, VERSION_DESTROYED,
 *   CREDENTIAL_INACTIVE, CREDENTIAL_EXPIRED, AUDIT_UNAVAILABLE, CREDENTIAL_DAMAGED, KMS_UNAVAILABLE, STORE_UNAVAILABLE, POLICY_UNAVAILABLE.
 */
export function makeRetrieveCredential(ports: RetrieveCredentialPorts): Handler<typeof retrieveCredential> {
  return ports.audited<typeof retrieveCredential>('credential.retrieved', async (request, call, attempt) => {
    const name = canonicalName(request.name);
    attempt.named(name);
    for (let round = 1; round <= MAX_ROUNDS; round += 1) {
      const reply = await releaseOnce(ports, name, request, call, attempt);
      if (reply !== undefined) return reply;
    }
    throw failure('UNAVAILABLE', { publicMessage: 'The credential changes all the time. Ask again.' });
  });
}

/** @returns undefined when something changed under way: begin again. */
async function releaseOnce(
  ports: RetrieveCredentialPorts,
  name: string,
  selector: Selector,
  call: Call,
  attempt: Attempt,
): Promise<Reply | undefined> {
  const stage = stopwatch(ports);
  const opened = await openOnce(ports, { ...selector, name }, call, attempt, stage);
  if (opened === undefined) return undefined;
  const released = await releaseAfterRecord(opened.values, async () => {
    await attempt.succeeded();
    return mayRelease(ports, opened);
  });
  stage('journal');
  return released ? replyOf(opened) : undefined;
}

/** A value in the clear that nobody has yet, and what it was opened by. Whoever holds it records and releases it, or disposes it. */
export interface OpenedCredential {
  readonly lookup: Lookup;
  readonly credential: Credential;
  readonly version: number;
  readonly values: Values;
  /** It has expired, and is handed out all the same. */
  readonly expired: boolean;
  /** Version of the bundle that permitted it. */
  readonly decidedBy: number;
}

/**
 * Decides, and opens the version that was asked for: all of a retrieve but its record and its release.
 * @param name canonical. @param action what the caller must be allowed. @returns undefined when Postgres holds newer rows than memory: begin again. @throws as a retrieve
 */
export async function openOnce(
  ports: OpenCredentialPorts,
  { name, action = 'retrieve', ...selector }: Selector & { readonly name: string; readonly action?: Action },
  call: Call,
  attempt: Attempt,
  stage: (stage: RetrieveStage) => void = () => undefined,
): Promise<OpenedCredential | undefined> {
  const lookup = await ports.index.findByName(name);
  stage('metadata');

  const decidedBy = ports.policy.version();
  const question = { askPolicy: ports.askPolicy, call, attempt, nowMs: ports.clock.now() };
  const credential = permitLookup(question, action, { name }, lookup, wantedOf(selector));
  const { expired } = requireServed(credential, question.nowMs);
  if (expired) attempt.note({ expired });
  stage('decide');

  const version =
    selectVersion(credential, selector) ?? (await refuseVersion(ports, question, credential, selector));
  attempt.about(credential, version);
  const { namespaceId, credentialId } = credential;
  const values = await openVersion(ports, lookup, { namespaceId, credentialId, version }, () =>
    stage('version'),
  );
  if (values === undefined) return undefined;
  stage('open');
  return { lookup, credential, version, values, expired, decidedBy };
}

/** What of the credential is wanted, and what for, as policies and approvers see it: only what was named. */
export const wantedOf = ({ version, stage, purpose }: Selector): PolicyRequest['context'] => ({
  ...(version === undefined ? {} : { version }),
  ...(stage === undefined ? {} : { stage }),
  ...(purpose === undefined ? {} : { purpose }),
});

/** Whether what was opened may still go out, asked after its record: nothing that it rests on has changed. Synchronous. */
export const mayRelease = (
  { index, policy }: Pick<OpenCredentialPorts, 'index' | 'policy'>,
  { lookup, decidedBy }: OpenedCredential,
): boolean => index.stillHolds(lookup) && policy.version() === decidedBy;

/** @returns undefined for a version that there is not, or that is handed to nobody. */
function selectVersion(credential: Credential, { version, stage }: Selector): number | undefined {
  const byStage = stage === 'previous' ? credential.previousVersion : credential.currentVersion;
  const number = version ?? byStage;
  const found = number === null ? undefined : liveStageOf(credential, number);
  // A pending version is the rotation's alone, and a revoked one is handed to nobody.
  const isOpen = found === 'current' || found === 'previous';
  const isOther = version !== undefined && stage !== undefined && found !== stage;
  return number === null || !isOpen || isOther ? undefined : number;
}

/** Who may describe the credential is told that a version was destroyed; to others there is none. */
async function refuseVersion(
  { askPolicy, listVersions }: OpenCredentialPorts,
  { call, nowMs }: Question,
  credential: Credential,
  { version }: Selector,
): Promise<never> {
  const mayKnow = askPolicy(call, 'describe', credentialResource(credential, nowMs)).permitted;
  const versions = version !== undefined && mayKnow ? await listVersions(credential.credentialId) : [];
  const asked = versions.find((row) => row.version === version);
  throw failure((asked?.destroyedAtMs ?? null) === null ? 'VERSION_NOT_FOUND' : 'VERSION_DESTROYED');
}

/** @returns whether the values may go out; when not, or when the record fails, they are wiped. */
async function releaseAfterRecord(
  values: Values,
  recordAndRecheck: () => Promise<boolean>,
): Promise<boolean> {
  let released = false;
  try {
    released = await recordAndRecheck();
    return released;
  } finally {
    if (!released) disposeValues(values);
  }
}

export const replyOf = ({
  credential,
  version,
  values,
  expired,
  lookup: { stale },
}: OpenedCredential): Reply => ({
  credentialId: credential.credentialId,
  name: credential.name,
  type: credential.type,
  version,
  stage: liveStageOf(credential, version) ?? 'revoked',
  revision: credential.revision,
  values,
  expiresAt: timestampOrNull(expiresAtMs(credential)),
  ...(expired ? { expired } : {}),
  stale,
});

function stopwatch({ clock, onStage }: RetrieveCredentialPorts): (stage: RetrieveStage) => void {
  let last = clock.monotonic();
  return (stage) => {
    const now = clock.monotonic();
    onStage?.(stage, now - last);
    last = now;
  };
}
