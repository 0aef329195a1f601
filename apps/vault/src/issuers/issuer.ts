import type { CredentialType, LeaseKind } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import type { Lease } from '../domain/leases.js';
import type { Values } from '../domain/parts.js';

/** What is issued under a lease. */
export interface IssueOrder {
  readonly lease: Lease;
  /** Canonical name of the credential. */
  readonly name: string;
  readonly audience?: string | undefined;
  readonly purpose?: string | undefined;
}

/** Makes what a lease is for. One file for each; which one, the type of the credential says. */
export interface Issuer {
  readonly kind: LeaseKind;
  /**
   * Issues, with a durable record of its own before anything is released. Also for a lease that is renewed.
   * @returns what the caller disposes. @throws as its operation says
   */
  issue(order: IssueOrder, call: Call): Promise<Values>;
}

export type IssuerOf = (type: CredentialType) => Issuer;
