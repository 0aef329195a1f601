import type { InForce } from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call } from '@keymesh/mesh';
import type { BundleRollCall } from './bundle-roll-call.js';

type Change<Request, Reply> = (request: Request, call: Call) => Promise<Reply>;

/** What it takes to say where a change is in force. */
export interface InForcePorts {
  readonly rollCall: Pick<BundleRollCall, 'inForce'>;
  readonly clock: Clock;
}

/** A change whose reply also says where it is in force: counted from when it was asked for. */
export const tellingInForce =
  ({ rollCall, clock }: InForcePorts) =>
  <Request, Reply extends { bundleVersion: number }>(
    change: Change<Request, Reply>,
  ): Change<Request, Reply & { inForce: InForce }> =>
  async (request, call) => {
    const askedAt = clock.monotonic();
    const reply = await change(request, call);
    return { ...reply, inForce: await rollCall.inForce(reply.bundleVersion, askedAt) };
  };
