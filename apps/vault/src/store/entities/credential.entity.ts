import { CREDENTIAL_TYPES, type CredentialType, type Sensitivity } from '@keymesh/contracts';
import { Column, Entity, PrimaryColumn, type ValueTransformer } from 'typeorm';
import type { Credential, RotationSettings } from '../../domain/credential.js';
import type { CredentialPolicyOf } from '../../domain/quality/credential-policy.js';

/** A bigint that fits a number: revisions come from one sequence and stay far below 2^53. */
export const bigintNumber: ValueTransformer = {
  from: (value: string) => Number(value),
  to: (value: number) => value,
};

/** The row of a credential. `changed_xid` is the database's own and not mapped. */
@Entity({ name: 'credential' })
export class CredentialEntity {
  @PrimaryColumn({ name: 'credential_id', type: 'uuid' })
  credentialId!: string;

  @Column({ name: 'namespace_id', type: 'uuid' })
  namespaceId!: string;

  @Column({ type: 'text' })
  namespace!: string;

  @Column({ type: 'text' })
  name!: string;

  @Column({ type: 'text', enum: CREDENTIAL_TYPES })
  type!: CredentialType;

  @Column({ type: 'text', nullable: true })
  provider!: string | null;

  @Column({ type: 'text', nullable: true })
  description!: string | null;

  @Column({ type: 'text', array: true })
  tags!: string[];

  @Column({ type: 'text' })
  owner!: string;

  @Column({ type: 'jsonb', nullable: true })
  rotation!: RotationSettings | null;

  @Column({ type: 'text', nullable: true })
  label!: string | null;

  @Column({ type: 'text' })
  status!: Credential['status'];

  @Column({ type: 'text', nullable: true })
  sensitivity!: Sensitivity | null;

  @Column({ name: 'strength_score', type: 'int', nullable: true })
  strengthScore!: number | null;

  @Column({ name: 'expires_at', type: 'timestamptz', nullable: true })
  expiresAt!: Date | null;

  @Column({ name: 'current_version', type: 'int' })
  currentVersion!: number;

  @Column({ name: 'previous_version', type: 'int', nullable: true })
  previousVersion!: number | null;

  @Column({ name: 'pending_version', type: 'int', nullable: true })
  pendingVersion!: number | null;

  @Column({ name: 'last_version', type: 'int' })
  lastVersion!: number;

  @Column({ name: 'version_created_at', type: 'timestamptz' })
  versionCreatedAt!: Date;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @Column({ name: 'deleted_at', type: 'timestamptz', nullable: true })
  deletedAt!: Date | null;

  @Column({ name: 'recoverable_until', type: 'timestamptz', nullable: true })
  recoverableUntil!: Date | null;

  @Column({ name: 'purged_at', type: 'timestamptz', nullable: true })
  purgedAt!: Date | null;

  @Column({ type: 'bigint', transformer: bigintNumber })
  revision!: number;

  @Column({ name: 'row_mac', type: 'bytea' })
  rowMac!: Buffer;
}

const msOrNull = (date: Date | null): number | null => date?.getTime() ?? null;
const dateOrNull = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

/** The row as the domain knows it; its HMAC is checked by {@link file://../sealed-rows.ts}. */
export const toCredential = (row: CredentialEntity, policyOf: CredentialPolicyOf): Credential => ({
  // Whatever holds when it is looked at: a row stays in memory for longer than a credential policy may.
  get policy() {
    return policyOf(row.namespace, row.type);
  },
  credentialId: row.credentialId,
  namespaceId: row.namespaceId,
  namespace: row.namespace,
  name: row.name,
  type: row.type,
  provider: row.provider,
  description: row.description,
  tags: row.tags,
  owner: row.owner,
  rotation: row.rotation,
  label: row.label,
  status: row.status,
  sensitivity: row.sensitivity,
  strengthScore: row.strengthScore,
  expiresAtMs: msOrNull(row.expiresAt),
  currentVersion: row.currentVersion,
  previousVersion: row.previousVersion,
  pendingVersion: row.pendingVersion,
  lastVersion: row.lastVersion,
  versionCreatedAtMs: row.versionCreatedAt.getTime(),
  createdAtMs: row.createdAt.getTime(),
  updatedAtMs: row.updatedAt.getTime(),
  deletedAtMs: msOrNull(row.deletedAt),
  recoverableUntilMs: msOrNull(row.recoverableUntil),
  purgedAtMs: msOrNull(row.purgedAt),
  revision: row.revision,
});

/** What is written for it. */
export const fromCredential = (credential: Credential, rowMac: Uint8Array): CredentialEntity => ({
  credentialId: credential.credentialId,
  namespaceId: credential.namespaceId,
  namespace: credential.namespace,
  name: credential.name,
  type: credential.type,
  provider: credential.provider,
  description: credential.description,
  tags: [...credential.tags],
  owner: credential.owner,
  rotation: credential.rotation,
  label: credential.label,
  status: credential.status,
  sensitivity: credential.sensitivity,
  strengthScore: credential.strengthScore,
  expiresAt: dateOrNull(credential.expiresAtMs),
  currentVersion: credential.currentVersion,
  previousVersion: credential.previousVersion,
  pendingVersion: credential.pendingVersion,
  lastVersion: credential.lastVersion,
  versionCreatedAt: new Date(credential.versionCreatedAtMs),
  createdAt: new Date(credential.createdAtMs),
  updatedAt: new Date(credential.updatedAtMs),
  deletedAt: dateOrNull(credential.deletedAtMs),
  recoverableUntil: dateOrNull(credential.recoverableUntilMs),
  purgedAt: dateOrNull(credential.purgedAtMs),
  revision: credential.revision,
  rowMac: Buffer.from(rowMac),
});
