import type { CredentialMetadata, Stage } from '@keymesh/contracts';
import type { Secret } from '@keymesh/kernel';
import type { AdapterSettings, Workflow } from './workflow.js';

/** Parts of a value by name; whoever receives it disposes it (`using`). */
export interface RevealedVersion extends Disposable {
  readonly version: number;
  readonly stage: Stage;
  readonly values: Readonly<Record<string, Secret>>;
}

/** A rotation as the vault knows it. */
export interface RotationRef {
  readonly credentialId: string;
  readonly rotationId: string;
}

/** The vault, as this service uses it. Every call may fail with a KeymeshError and may be repeated for the same rotation. */
export interface Vault {
  /** Makes or finds the pending version; the vault generates its value. */
  prepare(ref: RotationRef): Promise<{ version: number }>;
  promote(ref: RotationRef, version: number): Promise<void>;
  discard(ref: RotationRef, version: number): Promise<void>;
  reveal(ref: RotationRef, version: number): Promise<RevealedVersion>;
  listRotatable(): Promise<readonly CredentialMetadata[]>;
  /** @returns undefined when there is no such credential. */
  findByName(name: string): Promise<CredentialMetadata | undefined>;
}

/** What an adapter's step came to. A refusal is data; `reason` is a fixed code, never the provider's text. */
export type AdapterResult =
  { readonly ok: true } | { readonly ok: false; readonly reason: AdapterReason; readonly retryable: boolean };

export type AdapterReason =
  | 'SETTINGS_INVALID'
  | 'VALUES_INVALID'
  | 'PROVIDER_UNREACHABLE'
  | 'PROVIDER_AUTH_UNSUPPORTED'
  | 'PROVIDER_LOGIN_REFUSED'
  | 'PROVIDER_REFUSED'
  | 'TEST_FAILED';

/** What the steps of one rotation work with. */
export interface StepContext {
  readonly workflow: Workflow;
  readonly settings: AdapterSettings;
  /** Reveals one of the two versions of this rotation; the caller disposes it. */
  readonly reveal: (which: 'old' | 'new') => Promise<RevealedVersion>;
  /** Commits that the provider is about to be changed. MUST be awaited before the first change. @throws when the lease is lost. */
  readonly markTouched: () => Promise<void>;
  /** Aborted when the step's time is over; the step's effects MUST NOT start after that. */
  readonly signal: AbortSignal;
}

/**
 * One kind of provider. Each step may be repeated after a crash at any point of it, and finds out what holds before it acts.
 * A thrown KeymeshError is a failure of the mesh (vault, database) and is retried or refused by its code.
 */
export interface ProviderAdapter {
  /** Makes the pending version. */
  create(context: StepContext): Promise<AdapterResult & { version?: number }>;
  /** Makes the new value the one that the provider accepts. */
  set(context: StepContext): Promise<AdapterResult>;
  /** Uses the new value for real. */
  test(context: StepContext): Promise<AdapterResult>;
  /** Makes the old value the one that the provider accepts. Called only when the provider may have been changed. */
  rollback(context: StepContext): Promise<AdapterResult>;
}

export const OK: AdapterResult = { ok: true };
export const refused = (reason: AdapterReason): AdapterResult => ({ ok: false, reason, retryable: false });
export const retryLater = (reason: AdapterReason): AdapterResult => ({ ok: false, reason, retryable: true });
