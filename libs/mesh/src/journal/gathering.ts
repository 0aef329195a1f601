/** Below so many askers at once there is nothing to gather. */
const GATHER_FROM = 4;
/** Share of the time that the process works. Below it a pack that leaves early takes CPU that nobody else wants. */
const BUSY_FROM = 0.5;

/**
 * Whether the next pack waits a moment for the askers that the last one answered, who are likely to ask again. A pack costs a signature,
 * an fsync and two writes of the socket, however many records share it: worth a millisecond where the process is busy, and only there.
 * @param waiting records for the next pack.
 * @param askers those of the last pack, and those who came while it was on its way.
 * @param utilization of the event loop since the last pack, 0 to 1.
 */
export const shouldGather = (waiting: number, askers: number, utilization: number): boolean =>
  askers >= GATHER_FROM && waiting < askers && utilization >= BUSY_FROM;

/** Utilization of the event loop since it was last asked for, 0 to 1. */
export function makeUtilization(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
