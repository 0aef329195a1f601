import { STAGES, type Stage } from '@keymesh/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { CredentialVersion } from '../../domain/credential.js';
import { bigintNumber } from './credential.entity.js';

@Entity({ name: 'credential_version' })
export class CredentialVersionEntity {
  @PrimaryColumn({ name: 'credential_id', type: 'uuid' })
  credentialId!: string;

  @PrimaryColumn({ type: 'int' })
  version!: number;

  @Column({ type: 'text', enum: STAGES })
  stage!: Stage;

  @Column({ name: 'dek_id', type: 'uuid' })
  dekId!: string;

  @Column({ name: 'kek_id', type: 'uuid' })
  kekId!: string;

  @Column({ name: 'kek_version', type: 'int' })
  kekVersion!: number;

  @Column({ name: 'wrapped_dek', type: 'bytea' })
  wrappedDek!: Buffer;

  @Column({ type: 'bytea' })
  ciphertext!: Buffer;

  @Column({ name: 'created_by', type: 'text' })
  createdBy!: string;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'rotation_id', type: 'uuid', nullable: true })
  rotationId!: string | null;

  @Column({ name: 'strength_score', type: 'int', nullable: true })
  strengthScore!: number | null;

  @Column({ type: 'text', nullable: true })
  fingerprint!: string | null;

  @Column({ name: 'destroyed_at', type: 'timestamptz', nullable: true })
  destroyedAt!: Date | null;

  @Column({ type: 'bigint', transformer: bigintNumber })
  revision!: number;

  @Column({ name: 'row_mac', type: 'bytea' })
  rowMac!: Buffer;
}

export const toVersion = (row: CredentialVersionEntity): CredentialVersion => ({
  credentialId: row.credentialId,
  version: row.version,
  stage: row.stage,
  dekId: row.dekId,
  kekId: row.kekId,
  kekVersion: row.kekVersion,
  wrappedDek: row.wrappedDek,
  ciphertext: row.ciphertext,
  createdBy: row.createdBy,
  createdAtMs: row.createdAt.getTime(),
  rotationId: row.rotationId,
  strengthScore: row.strengthScore,
  fingerprint: row.fingerprint,
  destroyedAtMs: row.destroyedAt?.getTime() ?? null,
  revision: row.revision,
});

export const fromVersion = (version: CredentialVersion, rowMac: Uint8Array): CredentialVersionEntity => ({
  credentialId: version.credentialId,
  version: version.version,
  stage: version.stage,
  dekId: version.dekId,
  kekId: version.kekId,
  kekVersion: version.kekVersion,
  wrappedDek: Buffer.from(version.wrappedDek),
  ciphertext: Buffer.from(version.ciphertext),
  createdBy: version.createdBy,
  createdAt: new Date(version.createdAtMs),
  rotationId: version.rotationId,
  strengthScore: version.strengthScore,
  fingerprint: version.fingerprint,
  destroyedAt: version.destroyedAtMs === null ? null : new Date(version.destroyedAtMs),
  revision: version.revision,
  rowMac: Buffer.from(rowMac),
});
