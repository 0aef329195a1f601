import type {
  BundleSession,
  KillSwitch,
  PolicyBundle,
  PolicyRequest,
  PrincipalAttributes,
  PrincipalKind,
  Role,
  Statement,
} from '@keymesh/contracts';
import type { HeldApproval } from './approvals.js';
import type { WrittenCredentialPolicy } from './fold-credential-policy.js';
import type { ShadowGrant } from './fold-shadow.js';
import type {
  BreakGlassOpening,
  IdentityRule,
  Lifting,
  OpenEnrolment,
  PendingPolicy,
  WrittenPolicy,
} from './fold-state.js';

export type Taken = PolicyBundle['taken'][number];
/** `killed`: stopped by a kill switch, until an operator lifts it. */
export type PrincipalStatus = 'invited' | 'active' | 'disabled' | 'locked' | 'killed';

/** A principal as of now. */
export interface DirectoryEntry {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  /** NATS user public keys; empty while invited. */
  readonly nkeys: readonly string[];
  /** Ed25519 public keys, base64url; empty while invited. */
  readonly channelKeys: readonly string[];
  readonly attributes: PrincipalAttributes;
  readonly status: PrincipalStatus;
  /** End of the lock; null when not locked or locked without an end. */
  readonly lockedUntil: string | null;
  readonly createdAt: string;
  /** End of its break-glass; only while that is open. */
  readonly breakGlassUntil?: string;
}

/** Who is who, folded from statements, less what was taken away. Immutable; only time changes its answers. */
export interface Directory {
  readonly meshId: string;
  /** The statements it was folded from, in order. */
  readonly statements: readonly string[];
  readonly taken: readonly Taken[];
  find(name: string): DirectoryEntry | undefined;
  /** Whose nkey it is: for good, or of a live session. */
  findByNkey(nkey: string): DirectoryEntry | undefined;
  /** The live session of an nkey, by an identity rule. */
  findSession(nkey: string): BundleSession | undefined;
  /** Live sessions by identity rules. What they are good for ends with their principal's status, as its own keys do. */
  sessions(): readonly BundleSession[];
  /** Other proofs of identity that operators let stand for principals, by id. */
  readonly identityRules: readonly IdentityRule[];
  /** By name. */
  list(): readonly DirectoryEntry[];
  /** The open enrolment of a token's nkey, unless it has expired by now or was taken away. */
  findEnrolment(tokenNkey: string): OpenEnrolment | undefined;
  /** What was said about a principal or another subject (`policy:<id>`), in order: who said what, and when. */
  historyOf(subject: string): readonly Statement[];
  /** Policies that operators wrote, in force, by id. */
  readonly policies: readonly WrittenPolicy[];
  /** Changes of policies that wait for a second person. */
  readonly pendingPolicies: readonly PendingPolicy[];
  /** What is in the shadow, without its texts; undefined: nothing. */
  readonly shadow: ShadowGrant | undefined;
  /** The credential policy that operators wrote; null: none. */
  readonly credentialPolicy: WrittenCredentialPolicy | null;
  /** Every opening of break-glass, in order. */
  readonly openings: readonly BreakGlassOpening[];
  /** Approvals of the bundle whose signature holds; whether one counts is for `approvalsGiven`. */
  readonly approvals: readonly HeldApproval[];
  /** Open enrolment of a principal, expired or not. */
  enrolmentOf(principal: string): OpenEnrolment | undefined;
  /** Kill switches in force: those that nobody has lifted. */
  readonly kills: readonly KillSwitch[];
  /** Who lifted a kill switch, in force before or not. */
  liftingOf(killId: string): Lifting | undefined;
  /** The kill switch that forbids this because of the namespace that it is about. */
  killForbidding(request: PolicyRequest): KillSwitch | undefined;
  /** Whether this Ed25519 key signs channel set-ups of that principal. False for disabled and killed principals; status locked is for the caller. */
  isChannelKeyOf(principal: string, publicKey: string): boolean;
  /** A new directory with further statements. @throws STATEMENT_REJECTED, and this one is unchanged. */
  extend(texts: readonly string[]): Directory;
  /** The same grants with another list of what is taken away. */
  withTaken(taken: readonly Taken[]): Directory;
  /** The same with another list of kill switches; those that were lifted stay void. */
  withKills(kills: readonly KillSwitch[]): Directory;
  /** The same with other session keys; those that no rule carries are as if they were not there. */
  withSessions(sessions: readonly BundleSession[]): Directory;
  /** The same with another list of approvals; texts that do not hold are dropped. */
  withApprovals(texts: readonly string[]): Directory;
}
