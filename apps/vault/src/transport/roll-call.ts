import { MINUTE, SECOND, type Clock } from '@keymesh/kernel';

/** An instance not heard of for so long counts as absent. */
const ABSENT_AFTER_MS = 5 * SECOND;
/** It may be that only the broker keeps it from us: for so long what is taken away waits its full second, unless it said goodbye. */
const FORGOTTEN_AFTER_MS = 10 * MINUTE;

/** Which other instances there are. */
export function makeRollCall(clock: Clock) {
  const heardAt = new Map<string, number>();
  const gone = new Set<string>();
  const heardSince = (ms: number): readonly string[] =>
    [...heardAt].flatMap(([name, at]) => (at < clock.monotonic() - ms ? [] : [name]));
  return {
    /** @returns whether it is new here, or was not heard of lately. */
    heard(name: string): boolean {
      const isNew = !heardSince(ABSENT_AFTER_MS).includes(name);
      heardAt.set(name, clock.monotonic());
      return isNew;
    },
    left: (name: string): void => void gone.add(name),
    present: (): readonly string[] => heardSince(ABSENT_AFTER_MS),
    /** Those that may be serving. */
    expected(): readonly string[] {
      const present = heardSince(ABSENT_AFTER_MS);
      const names = heardSince(FORGOTTEN_AFTER_MS).filter(
        (name) => present.includes(name) || !gone.has(name),
      );
      for (const name of heardAt.keys()) {
        if (names.includes(name)) continue;
        heardAt.delete(name);
        gone.delete(name);
      }
      return names;
    },
  };
}
