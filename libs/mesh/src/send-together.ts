/** What is sent at the end of this turn of the event loop. */
let waiting: (() => void)[] = [];

/**
 * Sends at the end of the turn, together with whatever else is sent in it. The client writes its socket once for all that is published
 * in one go, and a write costs more than the cryptography of a read: so the answers to the records of one journal pack, and the next
 * pack, leave in one write.
 * @param send publishes, without waiting for anything; must not throw.
 */
export function sendTogether(send: () => void): void {
  if (waiting.push(send) === 1) setImmediate(sendWaiting);
}

function sendWaiting(): void {
  const now = waiting;
  waiting = [];
  for (const send of now) send();
}
