import { randomBytes } from 'node:crypto';
import { openUnderWrappingKey, sealUnderWrappingKey } from '@keymesh/crypto';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { textOfContext } from '../../src/kms/bound-context.js';
import type { Kms } from '../../src/kms/kms.js';

/** What a KMS in memory does wrong. */
export interface MemberControl {
  away: boolean;
  /** Gives another key than it was given. */
  alter: boolean;
  /** Refuses what it wrapped itself. */
  refuse: boolean;
  /** Never answers. */
  hang: boolean;
  calls: number;
  /** Everything that it was given to wrap. */
  readonly seen: Uint8Array[];
}

/** A KMS in memory with a key of its own and real encryption; several can be told apart. */
export function makeMemberKms(
  provider: string,
  keyId = `${provider}/1`,
  secret: Uint8Array = randomBytes(32),
) {
  const control: MemberControl = {
    away: false,
    alter: false,
    refuse: false,
    hang: false,
    calls: 0,
    seen: [],
  };
  const wrappingKey = new Secret(Uint8Array.from(secret), 'member-key');
  const header = new Uint8Array();
  const answer = async (): Promise<void> => {
    control.calls += 1;
    if (control.hang) await new Promise(() => undefined);
    if (control.away) throw failure('KMS_UNAVAILABLE', { details: { kms: provider } });
  };
  const kms: Kms = {
    provider,
    keyId,
    async wrapKey(plain, context) {
      await answer();
      control.seen.push(Uint8Array.from(plain.expose()));
      return sealUnderWrappingKey({ wrappingKey, header, context: textOfContext(context), key: plain });
    },
    async unwrapKey(box, context) {
      await answer();
      if (control.refuse) throw failure('DECRYPTION_FAILED');
      const opened = openUnderWrappingKey({ wrappingKey, header, context: textOfContext(context), box });
      if (control.alter) opened.expose()[0]! ^= 1;
      return opened;
    },
  };
  return { kms, control };
}
