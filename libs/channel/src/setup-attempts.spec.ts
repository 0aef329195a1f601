import { describe, expect, it } from '@jest/globals';
import { fromBase64Url, makeSigningKey, toBase64Url } from '@keymesh/kernel';
import { codeOfAsync, makeRig } from '../test/rig.js';
import { openSession, type SetupAttempts } from './index.js';

/** Counts by asker; two failures lock out. */
function makeAttempts() {
  const failures = new Map<string, number>();
  const attempts: SetupAttempts = {
    isLockedOut: (asker) => (failures.get(asker) ?? 0) >= 2,
    failed: (asker) => void failures.set(asker, (failures.get(asker) ?? 0) + 1),
    succeeded: (asker) => void failures.delete(asker),
  };
  return { attempts, failures };
}

/** The same set-up with another signature: the name and the key of `billing`, not proven. */
function unproven(header: string): string {
  const bytes = fromBase64Url(header)!;
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  return toBase64Url(bytes);
}

describe('set-ups that fail', () => {
  it('hold off further set-ups of their asker, whose open sessions go on', async () => {
    const rig = await makeRig();
    const { attempts } = makeAttempts();
    const acceptor = rig.acceptor({ attempts });
    const open = (await rig.session()).setupHeader;
    const session = await acceptor.accept(open, 'billing');
    for (let index = 0; index < 2; index += 1)
      expect(await codeOfAsync(acceptor.accept(unproven((await rig.session()).setupHeader), 'billing'))).toBe(
        'CHANNEL_REJECTED',
      );
    const good = (await rig.session()).setupHeader;
    expect(await codeOfAsync(acceptor.accept(good, 'billing'))).toBe('CHANNEL_REJECTED');
    expect(acceptor.known(open)).toBe(session);
    expect(await acceptor.accept(open, 'billing')).toBe(session);
  });

  it('in another’s name count against neither, and are refused before any work', async () => {
    const rig = await makeRig();
    const { attempts, failures } = makeAttempts();
    const acceptor = rig.acceptor({ attempts });
    for (let index = 0; index < 5; index += 1)
      expect(
        await codeOfAsync(acceptor.accept(unproven((await rig.session()).setupHeader), 'attacker')),
      ).toBe('CHANNEL_REJECTED');
    // Nor with billing's own good header, replayed by the attacker.
    const good = (await rig.session()).setupHeader;
    expect(await codeOfAsync(acceptor.accept(good, 'attacker'))).toBe('CHANNEL_REJECTED');
    expect(failures.size).toBe(0);
    expect((await acceptor.accept(good, 'billing')).principal).toBe('billing');
  });

  it('with a key that the asker has no more hold off nobody', async () => {
    const rig = await makeRig();
    const { attempts, failures } = makeAttempts();
    const acceptor = rig.acceptor({ attempts });
    const stale = makeSigningKey().key;
    for (let index = 0; index < 5; index += 1) {
      const header = (
        await openSession({
          principal: 'billing',
          signingKey: stale,
          service: rig.key.statement,
          clock: rig.clock,
        })
      ).setupHeader;
      expect(await codeOfAsync(acceptor.accept(header, 'billing'))).toBe('CHANNEL_REJECTED');
    }
    expect(failures.size).toBe(0);
    expect((await acceptor.accept((await rig.session()).setupHeader, 'billing')).principal).toBe('billing');
  });
});
