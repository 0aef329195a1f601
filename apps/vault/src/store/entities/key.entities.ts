import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key of the vault itself, wrapped by the KMS: the mesh key (an Ed25519 seed) and the integrity key (32 bytes). */
@Entity({ name: 'system_key' })
export class SystemKeyEntity {
  @PrimaryColumn({ type: 'text' })
  purpose!: 'mesh' | 'integrity';

  @Column({ name: 'public_key', type: 'text', nullable: true })
  publicKey!: string | null;

  @Column({ type: 'text' })
  provider!: string;

  @Column({ name: 'provider_key_id', type: 'text' })
  providerKeyId!: string;

  @Column({ type: 'bytea' })
  wrapped!: Buffer;
}

@Entity({ name: 'namespace' })
export class NamespaceEntity {
  @PrimaryColumn({ name: 'namespace_id', type: 'uuid' })
  namespaceId!: string;

  @Column({ type: 'text', unique: true })
  name!: string;
}

/** One version of a namespace's KEK, wrapped by the KMS. Exactly one is active. */
@Entity({ name: 'namespace_kek' })
export class NamespaceKekEntity {
  @PrimaryColumn({ name: 'kek_id', type: 'uuid' })
  kekId!: string;

  @Column({ name: 'namespace_id', type: 'uuid' })
  namespaceId!: string;

  @Column({ type: 'int' })
  version!: number;

  @Column({ type: 'boolean' })
  active!: boolean;

  @Column({ type: 'text' })
  provider!: string;

  @Column({ name: 'provider_key_id', type: 'text' })
  providerKeyId!: string;

  @Column({ type: 'bytea' })
  wrapped!: Buffer;
}
