import { LEASE_KINDS, type LeaseKind } from '@keymesh/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Lease } from '../../domain/leases.js';

@Entity({ name: 'lease' })
export class LeaseEntity {
  @PrimaryColumn({ name: 'lease_id', type: 'uuid' })
  leaseId!: string;

  @Column({ type: 'text' })
  principal!: string;

  @Column({ name: 'credential_id', type: 'uuid' })
  credentialId!: string;

  @Column({ type: 'int' })
  version!: number;

  @Column({ type: 'text', enum: LEASE_KINDS })
  kind!: LeaseKind;

  @Column({ name: 'issued_at', type: 'timestamptz' })
  issuedAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'max_expires_at', type: 'timestamptz' })
  maxExpiresAt!: Date;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt!: Date | null;

  @Column({ name: 'ended_as', type: 'text', nullable: true })
  endedAs!: Lease['end'];

  @Column({ name: 'row_mac', type: 'bytea' })
  rowMac!: Buffer;
}

/** The row as the domain knows it; its HMAC is checked by {@link file://../leases.ts}. */
export const toLease = (row: LeaseEntity): Lease => ({
  leaseId: row.leaseId,
  principal: row.principal,
  credentialId: row.credentialId,
  version: row.version,
  kind: row.kind,
  issuedAtMs: row.issuedAt.getTime(),
  expiresAtMs: row.expiresAt.getTime(),
  maxExpiresAtMs: row.maxExpiresAt.getTime(),
  endedAtMs: row.endedAt?.getTime() ?? null,
  end: row.endedAs,
});

/** What is written for it. */
export const fromLease = (lease: Lease, rowMac: Uint8Array): LeaseEntity => ({
  leaseId: lease.leaseId,
  principal: lease.principal,
  credentialId: lease.credentialId,
  version: lease.version,
  kind: lease.kind,
  issuedAt: new Date(lease.issuedAtMs),
  expiresAt: new Date(lease.expiresAtMs),
  maxExpiresAt: new Date(lease.maxExpiresAtMs),
  endedAt: lease.endedAtMs === null ? null : new Date(lease.endedAtMs),
  endedAs: lease.end,
  rowMac: Buffer.from(rowMac),
});
