import type { CredentialMetadata } from '@keymesh/contracts';
import { KeymeshError, type Clock } from '@keymesh/kernel';
import { dueAt, jittered } from '../domain/schedule.js';
import type { RotationPast } from '../store/find-workflows.js';

export interface SchedulerPorts {
  readonly clock: Clock;
  listRotatable(): Promise<readonly CredentialMetadata[]>;
  findPast(credentials: readonly CredentialMetadata[]): Promise<ReadonlyMap<string, RotationPast>>;
  /** @throws ROTATION_IN_PROGRESS when another instance was first. */
  start(credential: CredentialMetadata): Promise<void>;
}

/**
 * Starts a rotation of every credential whose time has come. Safe in several instances at once: a credential has one open rotation.
 * @returns how many it started.
 */
export async function scheduleDue(ports: SchedulerPorts): Promise<number> {
  const rotatable = (await ports.listRotatable()).filter((credential) => {
    const due = dueAt(credential);
    return due !== undefined && due <= ports.clock.now();
  });
  if (rotatable.length === 0) return 0;
  const past = await ports.findPast(rotatable);
  let started = 0;
  for (const credential of rotatable) {
    const known = past.get(credential.credentialId);
    const due = dueAt(credential, known?.failures);
    if (known?.isOpen === true || due === undefined || due > ports.clock.now()) continue;
    if (await startUnlessOpen(ports, credential)) started += 1;
  }
  return started;
}

async function startUnlessOpen(ports: SchedulerPorts, credential: CredentialMetadata): Promise<boolean> {
  try {
    await ports.start(credential);
    return true;
  } catch (error) {
    if (KeymeshError.is(error) && error.code === 'ROTATION_IN_PROGRESS') return false;
    throw error;
  }
}

export interface Loop {
  start(): void;
  /** Resolves when the round in flight is over. */
  stop(): Promise<void>;
}

/** Runs `round` again and again, `meanMs` ± 20 % apart. A round that fails is reported and the next one comes as usual. */
export function makeLoop(
  round: () => Promise<unknown>,
  onError: (error: unknown) => void,
  {
    meanMs,
    firstMs = meanMs,
    random = Math.random,
  }: { meanMs: number; firstMs?: number; random?: () => number },
): Loop {
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let inFlight: Promise<void> = Promise.resolve();
  const wait = (ms: number): void => {
    timer = setTimeout(
      () => {
        inFlight = round()
          .then(() => undefined, onError)
          .finally(() => {
            if (running) wait(meanMs);
          });
      },
      jittered(ms, random()),
    );
  };
  return {
    start: () => {
      running = true;
      wait(firstMs);
    },
    stop: async () => {
      running = false;
      clearTimeout(timer);
      await inFlight;
    },
  };
}
