import type { AuditRecord, Beside, BundleSession, KillSwitch, ShadowPolicies } from '@keymesh/contracts';
import type { Directory, PolicyEngine, Taken } from '@keymesh/policy-engine';
import type { AskedApproval } from './approvals.js';

/** An audit record and the readable values that stand beside it. */
export interface AuditEntry {
  readonly record: AuditRecord;
  readonly beside?: Beside;
}

/** The bundle that is in force. */
export interface PolicyState {
  readonly version: number;
  readonly directory: Directory;
}

/** What a change is planned against. */
export interface PlanState extends PolicyState {
  /** Requests for approval that have not expired, however they ended. */
  readonly asked: readonly AskedApproval[];
}

/** What people said about an opening of break-glass. Null: nothing new. */
export interface BreakGlassNote {
  readonly openingId: string;
  readonly reason: string | null;
  readonly finding: string | null;
}

/** One change of who may what. All of it is committed with its records and the next bundle version, or nothing. */
export interface Change {
  /** Appended in this order. */
  readonly statements?: readonly string[];
  /** For each principal named here, the whole list of what is taken from it from now on. */
  readonly taken?: readonly { readonly principal: string; readonly takings: readonly Taken[] }[];
  /** Kill switches that are set; they stay until an operator's statement lifts them. */
  readonly kills?: readonly KillSwitch[];
  /** What is in the shadow from now on: the texts that a statement of this change signs. */
  readonly shadow?: ShadowPolicies;
  /** Sessions by identity rules, new or prolonged. */
  readonly sessions?: readonly BundleSession[];
  /** Their nkeys. */
  readonly endedSessions?: readonly string[];
}

/** What an operation wants to happen. Without a change there is no new bundle version. */
export interface Plan<Reply> {
  readonly change?: Change;
  /** Requests for approval as they are from now on. Their approvals are in the next bundle: with an empty change, at once. */
  readonly asked?: readonly AskedApproval[];
  readonly notes?: readonly BreakGlassNote[];
  readonly records: readonly AuditEntry[];
  /** Holds no secret: it is kept for repeats of the request. */
  readonly reply: (bundleVersion: number) => Reply;
}

/** Which request asks, so that a repeat gets the first one's answer. */
export interface RequestKey {
  readonly principal: string;
  readonly requestId: string;
}

/** The one way to change who may what. */
export interface PolicyBook {
  /** Looks whether another instance has changed something that has not reached us yet. Never throws. */
  refresh(): Promise<void>;
  /** A newer bundle is on its way: resolves when it is here, or after a second; no question to Postgres. Undefined: none is known of. */
  readonly settling?: () => Promise<void> | undefined;
  /** What decides now, in this instance. @throws POLICY_UNAVAILABLE before the first bundle. */
  current(): PolicyState & { readonly engine: PolicyEngine };
  /**
   * Plans against the newest committed state (changes wait for each other, over all instances), commits, publishes the bundle, and
   * resolves when it is durable in the bucket POLICY.
   * @param plan pure: it may run more than once. What it throws changes nothing.
   * @throws STORE_UNAVAILABLE: not changed, or not known to be. UNAVAILABLE: changed, but not yet published; it will be.
   */
  change<Reply>(key: RequestKey, plan: (state: PlanState) => Plan<Reply>): Promise<Reply>;
}

/** Writes an audit record and waits until it is durable. @throws AUDIT_UNAVAILABLE */
export type Record = (entry: AuditEntry) => Promise<void>;

/** Closes every connection of these principals. Never throws; what cannot be closed now is tried again. */
export type CutConnections = (principals: readonly string[]) => Promise<void>;

/** Closes the connections of a principal that were not opened with one of these nkeys. Never throws. */
export type CutRemovedKeys = (principal: string, keptNkeys: readonly string[]) => Promise<void>;
