import { createHash } from 'node:crypto';
import { MINUTE, SECOND, toHex, type KeymeshError, type SigningKey } from '@keymesh/kernel';
import {
  approval as approvalSchema,
  failure,
  MAX_APPROVAL_SECONDS,
  MAX_APPROVALS,
  type Approval,
  type ApprovableRequest,
  type PolicyRequest,
} from '@keymesh/contracts';
import type { Directory } from './directory.js';
import type { PolicyEngine } from './engine.js';
import { policyPrincipal } from './policy-principal.js';
import {
  canonicalBytes,
  isCanonical,
  isSigned,
  parseJson,
  splitSignedText,
  writeSignedText,
} from './signed-text.js';
import { rejected } from './statements.js';

const PURPOSE = 'keymesh/v1/approval';
/** How far an approver's clock may be ahead of a reader's. */
const SKEW_MS = 10 * MINUTE;

/** More than an honest bundle has: whoever made a dishonest one keeps its readers busy for a moment, not for minutes. */
const MAX_HELD = 1_000;

/** An approval whose signature holds. Whether it counts depends on who approves, when, and what is asked. */
export interface HeldApproval {
  readonly approval: Approval;
  /** Public key (32 bytes, base64url) that signed it. */
  readonly signer: string;
  readonly text: string;
}

/** An approval that counts. */
export type GivenApproval = Pick<Approval, 'approvalId' | 'approver'>;

/**
 * Signs an approval with the approver's channel key. Deterministic.
 * @throws STATEMENT_REJECTED unless it is of the schema.
 */
export function signApproval(approval: Approval, key: SigningKey): string {
  const parsed = approvalSchema.safeParse(approval);
  if (!parsed.success) throw rejected('it is not of the shape of an approval');
  return writeSignedText(PURPOSE, parsed.data, key);
}

/** @throws STATEMENT_REJECTED for anything else than canonical JSON of the schema with a good signature by the key it names. */
export function readApproval(text: string): HeldApproval {
  const signed = splitSignedText(text);
  const parsed = approvalSchema.safeParse(signed === undefined ? undefined : parseJson(signed.payload));
  if (signed === undefined || !parsed.success) throw rejected('it is not of the shape of an approval');
  if (!isCanonical(parsed.data, signed.payload)) throw rejected('its JSON is not in canonical form');
  if (!isSigned(PURPOSE, signed)) throw rejected('its signature does not hold');
  return { approval: parsed.data, signer: signed.signer, text };
}

/**
 * Which of a bundle's approvals could ever count. What does not hold is dropped, and the rest stands: an approval only gives.
 * @param known verified before: a signature costs 149 µs.
 */
export function holdApprovals(
  texts: readonly string[],
  meshId: string,
  known: readonly HeldApproval[] = [],
): readonly HeldApproval[] {
  const verified = new Map(known.map((held) => [held.text, held]));
  return texts.slice(0, MAX_HELD).flatMap((text) => {
    const held = verified.get(text) ?? tryRead(text);
    return held?.approval.meshId === meshId ? [held] : [];
  });
}

function tryRead(text: string): HeldApproval | undefined {
  try {
    return readApproval(text);
  } catch {
    return undefined;
  }
}

/** What of a policy request an approval is for; undefined for a resource that takes none. */
export function approvableOf({
  principal,
  action,
  resource,
  context,
}: PolicyRequest): ApprovableRequest | undefined {
  const { kind, id } = resource;
  if (kind !== 'credential' && kind !== 'namespace') return undefined;
  const { version, stage, purpose } = context;
  return {
    principal: principal.name,
    action,
    resource: { kind, id },
    ...(typeof version === 'number' ? { version } : {}),
    ...(typeof stage === 'string' ? { stage } : {}),
    ...(typeof purpose === 'string' ? { purpose } : {}),
  };
}

/** SHA-256 (hex) over the RFC 8785 JSON of mesh and request: the short name of exactly this request. */
export const requestDigestOf = (meshId: string, request: ApprovableRequest): string =>
  toHex(
    createHash('sha256')
      .update(canonicalBytes({ v: 1, meshId, request }))
      .digest(),
  );

/**
 * The approvals of exactly this request that count now, one for each approver: signed with a channel key that it has, by somebody other
 * than the asker, who is active and whom the policy lets `approve` on the resource; begun, and not ended.
 * INVARIANT: all of it is checked here, by whoever decides, so that neither broker nor policy service can make one up.
 */
export function approvalsGiven(
  directory: Directory,
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
  nowMs: number,
): readonly GivenApproval[] {
  // Most meshes have none at most times: nothing is hashed or compared then.
  const own = directory.approvals.filter(
    ({ approval: { request } }) =>
      request.principal === asked.principal.name && request.resource.id === asked.resource.id,
  );
  const request = own.length === 0 ? undefined : approvableOf(asked);
  if (request === undefined) return [];
  const digest = requestDigestOf(directory.meshId, request);
  const given = new Map<string, GivenApproval>();
  for (const { approval, signer } of own) {
    const { approver, approvalId } = approval;
    if (given.has(approver) || approver === request.principal || !isInTime(approval, nowMs)) continue;
    if (requestDigestOf(directory.meshId, approval.request) !== digest) continue;
    if (mayApprove(directory, engine, { approver, signer }, asked.resource))
      given.set(approver, { approvalId, approver });
  }
  return [...given.values()];
}

function isInTime({ issuedAt, expiresAt }: Approval, nowMs: number): boolean {
  const [from, until] = [Date.parse(issuedAt), Date.parse(expiresAt)];
  return from - SKEW_MS <= nowMs && nowMs < until && until - from <= MAX_APPROVAL_SECONDS * SECOND;
}

/** Decided for the approver as it is now; of the context, in which it approved some time ago, nothing is known. */
function mayApprove(
  directory: Directory,
  engine: Pick<PolicyEngine, 'decide'>,
  { approver, signer }: { readonly approver: string; readonly signer: string },
  resource: PolicyRequest['resource'],
): boolean {
  const entry = directory.find(approver);
  // INVARIANT: a key of its own. For session keys the policy service vouches, which must not be able to approve.
  if (entry?.status !== 'active' || !entry.channelKeys.includes(signer)) return false;
  const principal = policyPrincipal(entry);
  return engine.decide({ principal, action: 'approve', resource, context: {} }).effect === 'permit';
}

/** Of a denied request: how many approvals its policies want in all, how many count already, and the digest that they are of. */
export interface ApprovalsToTurn {
  readonly needed: number;
  readonly given: number;
  readonly requestDigest: string;
}

/**
 * What would turn the denial of this request; undefined where no approvals would. For who may describe the resource only: it tells of
 * policies on it.
 * @param asked as it was decided, with the approvals that count already.
 */
export function approvalsToTurn(
  { meshId }: Pick<Directory, 'meshId'>,
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
): ApprovalsToTurn | undefined {
  const request = approvableOf(asked);
  const needed = approvalsNeeded(engine, asked);
  if (request === undefined || needed === undefined) return undefined;
  const { approvals: given } = asked.context;
  const requestDigest = requestDigestOf(meshId, request);
  return { needed, given: typeof given === 'number' ? given : 0, requestDigest };
}

/** What the asker of a request is told that approvals would turn. */
export const approvalRequired = (approvals: ApprovalsToTurn): KeymeshError =>
  failure('APPROVAL_REQUIRED', {
    publicMessage: `The policy allows this with ${String(approvals.needed)} approval${approvals.needed === 1 ? '' : 's'} of it; ${String(approvals.given)} count now. Ask for them with \`keymesh approval request\`, then ask again.`,
    details: { approvals },
  });

/** The request with the approvals of it that count now in its context, where there are any. */
export function countApprovals(
  directory: Directory,
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
  nowMs: number,
): PolicyRequest {
  const approvals = approvalsGiven(directory, engine, asked, nowMs).length;
  return approvals === 0 ? asked : { ...asked, context: { ...asked.context, approvals } };
}

/**
 * How many approvals, in all, would turn a denial of this request; found by asking the engine, never guessed.
 * @param asked as it was decided, with the approvals that count already. @returns undefined when up to {@link MAX_APPROVALS} turn it not.
 */
export function approvalsNeeded(
  engine: Pick<PolicyEngine, 'decide'>,
  asked: PolicyRequest,
): number | undefined {
  if (approvableOf(asked) === undefined) return undefined;
  const { approvals } = asked.context;
  for (let count = (typeof approvals === 'number' ? approvals : 0) + 1; count <= MAX_APPROVALS; count += 1) {
    const context = { ...asked.context, approvals: count };
    if (engine.decide({ ...asked, context }).effect === 'permit') return count;
  }
  return undefined;
}
