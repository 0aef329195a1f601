import { SECOND } from '@keymesh/kernel';
import type { ServiceKit } from '@keymesh/service-kit';
import { v7 as uuidv7 } from 'uuid';
import type { RateLimit } from '../domain/rate-limit.js';

const EVERY_MS = 5 * SECOND;

/** Records what the rate limit refused, a sum for each principal every few seconds: refusals must not fill the audit log themselves. */
export function recordRefusedSums(
  {
    journal,
    instance,
    clock,
    logger,
    onShutdown,
  }: Pick<ServiceKit, 'journal' | 'instance' | 'clock' | 'logger' | 'onShutdown'>,
  rateLimit: Pick<RateLimit, 'takeRefused'>,
): void {
  const record = async (): Promise<void> => {
    for (const { principal, requests } of rateLimit.takeRefused()) {
      await journal.record({
        v: 1,
        id: uuidv7(),
        time: new Date(clock.now()).toISOString(),
        type: 'request.refused',
        service: 'vault',
        instance,
        outcome: 'denied',
        code: 'RATE_LIMITED',
        principal,
        facts: { requests, withinSeconds: EVERY_MS / SECOND },
      });
    }
  };
  const attempt = () =>
    record().catch((error: unknown) => logger.warn({ err: error }, 'refused requests could not be recorded'));
  const timer = setInterval(() => void attempt(), EVERY_MS);
  timer.unref();
  onShutdown('refused sums', async () => {
    clearInterval(timer);
    await attempt();
  });
}
