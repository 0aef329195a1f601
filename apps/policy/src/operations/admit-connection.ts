import type { Clock } from '@keymesh/kernel';
import type { MakeRecord } from '../domain/audit.js';
import {
  judgeConnection,
  type Admission,
  type ConnectionAsk,
  type RefusalReason,
  type Verdict,
} from '../domain/admission.js';
import type { ConnectionAttempts } from '../domain/failed-attempts.js';
import type { AuditEntry, PolicyBook } from '../domain/ports.js';
import type { Refusals } from '../domain/refusals.js';

/** A connection as it is remembered, so that it can be cut. */
export interface RememberedConnection {
  readonly serverId: string;
  readonly clientId: number;
  readonly principal: string;
  /** That it was opened with. */
  readonly nkey: string | undefined;
  readonly expiresAtMs: number;
}

export interface AdmitPorts {
  readonly book: Pick<PolicyBook, 'current' | 'refresh' | 'settling'>;
  /** Remembers a connection together with its record. Never throws: with Postgres away it remembers in memory. */
  readonly remember: (connection: RememberedConnection, entry: AuditEntry) => Promise<void>;
  readonly makeRecord: MakeRecord;
  readonly refusals: Refusals;
  readonly attempts: Omit<ConnectionAttempts, 'tokenFailed'>;
  readonly isProven: (ask: ConnectionAsk) => boolean;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Who is refused for these has proven no key of the mesh. */
const STRANGE: readonly RefusalReason[] = ['no-key', 'unknown-key', 'not-proven'];

/** All strangers share one counter, so that keys made up for the purpose cannot fill the journal or our memory. */
const STRANGERS = 'strangers';

/**
 * Answers the server's question whether a connection may be. What is let in is remembered before it is let in.
 * @returns undefined for a refusal. @throws POLICY_UNAVAILABLE before the first bundle.
 */
export const makeAdmitConnection =
  (ports: AdmitPorts) =>
  async (ask: ConnectionAsk): Promise<Admission | undefined> => {
    const verdict = await spareTheGuessed(ports, ask, await judgeAfresh(ports, ask));
    if (!verdict.admitted) {
      await refuse(ports, ask, verdict);
      return undefined;
    }
    const { admission } = verdict;
    if (admission.purpose === 'session') {
      await noteSessionAsker(ports, ask);
      return admission;
    }
    const { serverId, clientId, host } = ask;
    const { principal, account, purpose, expiresAtMs } = admission;
    const facts = { account, purpose, serverId, clientId };
    const record = ports.makeRecord('connection.opened', 'success', { principal, facts });
    await ports.remember(
      { serverId, clientId, principal, nkey: ask.nkey, expiresAtMs },
      { record, ...besideOf(host) },
    );
    // INVARIANT: remembered first, then asked again. Whoever is disabled in between is either seen here, or cut by the one who
    // disables, who looks at what is remembered after the bundle is in force.
    const again = judge(ports, ask);
    if (again.admitted) return admission;
    await refuse(ports, ask, again);
    return undefined;
  };

/** Nobody yet, so there is nothing to cut; and as many as like may come, so they are counted rather than kept. */
const noteSessionAsker = (
  { refusals, makeRecord }: AdmitPorts,
  { serverId, clientId, host }: ConnectionAsk,
): Promise<void> =>
  refusals.note('session connection.opened', (summed) => ({
    record: makeRecord('connection.opened', 'success', {
      facts: summed === 0 ? { purpose: 'session', serverId, clientId } : { purpose: 'session', summed },
    }),
    ...(summed === 0 ? besideOf(host) : {}),
  }));

/**
 * Who enrolled a moment ago at another instance may be ahead of the news of it. Strangers that fail on and on are not looked up; but news that are on
 * their way are waited for, so that their neighbours are not kept out for it.
 */
async function judgeAfresh(ports: AdmitPorts, ask: ConnectionAsk): Promise<Verdict> {
  const { book, attempts } = ports;
  const verdict = judge(ports, ask);
  if (verdict.admitted || verdict.reason !== 'unknown-key') return verdict;
  await (attempts.areStrangersLockedOut(ask.host) ? book.settling?.() : book.refresh());
  return judge(ports, ask);
}

/**
 * Counts a stranger, and holds off a token with which too much was guessed. INVARIANT: a key that the mesh knows and that was proven is
 * never refused for what came before from the same address, or in the same name without proof.
 */
async function spareTheGuessed(
  { attempts }: AdmitPorts,
  { nkey = '', host }: ConnectionAsk,
  verdict: Verdict,
): Promise<Verdict> {
  if (verdict.admitted) {
    const { purpose, principal } = verdict.admission;
    const isHeldOff = purpose === 'enrolment' && (await attempts.isTokenLockedOut(nkey));
    return isHeldOff ? { admitted: false, reason: 'locked-out', principal } : verdict;
  }
  if (!STRANGE.includes(verdict.reason)) return verdict;
  if (attempts.areStrangersLockedOut(host)) return { admitted: false, reason: 'locked-out' };
  await attempts.strangerFailed(host);
  return verdict;
}

const judge = ({ book, clock, random, isProven }: AdmitPorts, ask: ConnectionAsk): Verdict =>
  judgeConnection(ask, book.current().directory, { clock, random, isProven });

async function refuse(
  { refusals, makeRecord }: AdmitPorts,
  { serverId, clientId, host }: ConnectionAsk,
  { reason, principal: named }: Extract<Verdict, { admitted: false }>,
): Promise<void> {
  // INVARIANT: who did not prove the key is not the principal: the record of it counts against nobody.
  const principal = reason === 'not-proven' ? undefined : named;
  const claimed = reason === 'not-proven' && named !== undefined ? { claimed: named } : {};
  await refusals.note(principal === undefined ? STRANGERS : `${principal} connection.refused`, (summed) => ({
    record: makeRecord('connection.refused', 'denied', {
      ...(principal === undefined ? {} : { principal }),
      facts: summed === 0 ? { reason, ...claimed, serverId, clientId } : { reason, summed },
    }),
    ...(summed === 0 ? besideOf(host) : {}),
  }));
}

/** An address may be personal: it stands beside the record, where it can be erased. */
const besideOf = (host: string | undefined) => (host === undefined ? {} : { beside: { host } });
