import type {
  PrincipalAttributes,
  PrincipalKind,
  Role,
  Statement,
  StatementOf,
  TrustRoot,
} from '@keymesh/contracts';
import type { WrittenCredentialPolicy } from './fold-credential-policy.js';
import type { ShadowGrant } from './fold-shadow.js';

/** A principal as operators' statements made it; what the policy service took away is not in here. */
export interface GrantedPrincipal {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  readonly nkeys: readonly string[];
  readonly channelKeys: readonly string[];
  readonly attributes: PrincipalAttributes;
  /** By an operator's own statement. */
  readonly disabled: boolean;
  readonly createdAt: string;
}

/** An invitation that nobody has used. Whether it has expired is for the reader's clock. */
export interface OpenEnrolment {
  readonly enrolmentId: string;
  readonly principal: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly Role[];
  readonly tokenNkey: string;
  readonly tokenKey: string;
  readonly issuedBy: string;
  readonly issuedAt: string;
  readonly expiresAt: string;
}

/** A policy that operators wrote. */
export interface WrittenPolicy {
  readonly policyId: string;
  readonly cedar: string;
  /** A change of it takes two persons. */
  readonly twoPerson: boolean;
  /** The `policy.set` that it is from. */
  readonly statementId: string;
  readonly setBy: string;
  readonly setAt: string;
  /** Null where nobody had to. */
  readonly confirmedBy: string | null;
}

/** A change of a policy that waits for a second person. `cedar` null: its removal. */
export type PendingPolicy = Omit<WrittenPolicy, 'cedar' | 'confirmedBy'> & {
  readonly cedar: string | null;
  readonly basedOn: string | null;
};

/** Who lifted a kill switch, and when. */
export interface Lifting {
  readonly by: string;
  readonly at: string;
}

/** A time in which a principal's role `break-glass` gives, or gave, something. */
export interface BreakGlassOpening {
  readonly openingId: string;
  readonly principal: string;
  readonly openedAt: string;
  readonly until: string;
  /** Before its time; null: it lasts until then. */
  readonly closedAt: string | null;
  readonly closedBy: string | null;
  readonly reviewedAt: string | null;
  readonly reviewedBy: string | null;
  readonly justified: boolean | null;
}

/** An identity rule in force. */
export type IdentityRule = NonNullable<StatementOf<'identity-rule.set'>['rule']> & {
  readonly ruleId: string;
  /** The `identity-rule.set` that it is from. */
  readonly statementId: string;
  readonly setBy: string;
  readonly setAt: string;
};

/** What a list of statements comes to. Changed in place while folding; nobody else holds it then. */
export interface FoldState {
  readonly trustRoot: TrustRoot;
  readonly principals: Map<string, GrantedPrincipal>;
  /** Open enrolments by principal. */
  readonly enrolments: Map<string, OpenEnrolment>;
  readonly statementIds: Set<string>;
  /** Every nkey and public key ever named: none is accepted twice. */
  readonly keys: Set<string>;
  /** In force, by id. */
  readonly policies: Map<string, WrittenPolicy>;
  readonly pendingPolicies: Map<string, PendingPolicy>;
  /** The one shadow, if there is one. */
  readonly shadow: Map<string, ShadowGrant>;
  /** Kill switches that operators lifted, by id. */
  readonly lifted: Map<string, Lifting>;
  /** Every opening of break-glass ever, by id, in order. */
  readonly openings: Map<string, BreakGlassOpening>;
  /** In force, by id. */
  readonly identityRules: Map<string, IdentityRule>;
  /** The one that operators wrote, where there is one. */
  readonly credentialPolicy: Map<string, WrittenCredentialPolicy>;
  /** When somebody in office last said something about a subject. */
  readonly lastSaidAt: Map<string, number>;
  /** When a principal last said something about its own keys. Apart, so that no principal can put operators off. */
  readonly lastOwnSaidAt: Map<string, number>;
  /** What was said about a subject (`subjectOfStatement`), in order. */
  readonly history: Map<string, readonly Statement[]>;
}

export const emptyFold = (trustRoot: TrustRoot): FoldState => ({
  trustRoot,
  principals: new Map(),
  enrolments: new Map(),
  statementIds: new Set(),
  keys: new Set([trustRoot.meshPublicKey, trustRoot.bundlePublicKey]),
  policies: new Map(),
  pendingPolicies: new Map(),
  shadow: new Map(),
  lifted: new Map(),
  openings: new Map(),
  identityRules: new Map(),
  credentialPolicy: new Map(),
  lastSaidAt: new Map(),
  lastOwnSaidAt: new Map(),
  history: new Map(),
});

export const copyFold = (state: FoldState): FoldState => ({
  trustRoot: state.trustRoot,
  principals: new Map(state.principals),
  enrolments: new Map(state.enrolments),
  statementIds: new Set(state.statementIds),
  keys: new Set(state.keys),
  policies: new Map(state.policies),
  pendingPolicies: new Map(state.pendingPolicies),
  shadow: new Map(state.shadow),
  lifted: new Map(state.lifted),
  openings: new Map(state.openings),
  identityRules: new Map(state.identityRules),
  credentialPolicy: new Map(state.credentialPolicy),
  lastSaidAt: new Map(state.lastSaidAt),
  lastOwnSaidAt: new Map(state.lastOwnSaidAt),
  history: new Map(state.history),
});
