import {
  failure,
  type BundleSession,
  type openSession,
  type ReplyOf,
  type SessionRequest,
} from '@keymesh/contracts';
import { KeymeshError, SECOND, type Clock } from '@keymesh/kernel';
import type { Call, FailedAttempts, Handler } from '@keymesh/mesh';
import { isPrivileged, type IdentityRule } from '@keymesh/policy-engine';
import { requestKey, type OperationPorts } from '../domain/authorize.js';
import type { PolicyState } from '../domain/ports.js';
import type { OpenRequest } from '../identity/open-request.js';
import type { IdentityRefusal, ProveIdentity } from '../identity/prove-identity.js';

/** Live at once by one rule, and in the mesh: every bundle carries them all. */
const MAX_OF_RULE = 64;
const MAX_SESSIONS = 1_000;
/** What is left of a proof must be worth a bundle. */
const SHORTEST_MS = 10 * SECOND;

type Refusal = IdentityRefusal | 'not-proven' | 'sealed' | 'principal' | 'privileged' | 'keys' | 'limit';

/**
 * Somebody with a proof of identity that a rule knows names two fresh keys; they are its principal's for as long as proof and rule allow. The
 * same keys again prolong it. Why not is for the record; who asked learns one thing only.
 */
export const makeOpenSession =
  (
    ports: OperationPorts & {
      readonly openRequest: OpenRequest;
      readonly proveIdentity: ProveIdentity;
      /** By the name under which somebody asks: guessing gets slower, and takes another connection each time. */
      readonly guesses: Pick<FailedAttempts, 'isLockedOut' | 'failed' | 'succeeded'>;
      readonly clock: Clock;
    },
  ): Handler<typeof openSession> =>
  async ({ keyId, sealed }, call) => {
    const { book, makeRecord, openRequest, proveIdentity, guesses, clock } = ports;
    if (guesses.isLockedOut(call.principal)) throw failure('RATE_LIMITED');
    try {
      const request = await openRequest(keyId, sealed);
      const proven = await proveIdentity(request, book.current().directory.identityRules);
      if ('refused' in proven) throw refused(proven.refused);
      const reply = await book.change<ReplyOf<typeof openSession>>(requestKey(call), (state) => {
        const session = sessionOf(state, request, proven.rule, proven.endsMs, clock.now());
        const { principal, ruleId, nkey, channelKey, expiresAt } = session;
        const record = makeRecord('session.opened', 'success', {
          ...{ call, principal, subject: principal },
          facts: { ruleId, proof: proven.rule.identity.kind, nkey, channelKey, expiresAt },
        });
        return {
          change: { sessions: [session] },
          records: [{ record }],
          reply: (bundleVersion) => ({ principal, expiresAt, bundleVersion }),
        };
      });
      guesses.succeeded(call.principal);
      return reply;
    } catch (error) {
      const told = await recordRefusal(ports, call, error);
      if (KeymeshError.is(told) && told.code === 'IDENTITY_REJECTED') guesses.failed(call.principal);
      throw told;
    }
  };

/** @throws IDENTITY_REJECTED unless the rule still stands and its principal and the keys are free for it. */
function sessionOf(
  { directory }: PolicyState,
  { nkey, channelKey, ...proof }: SessionRequest,
  { ruleId, statementId }: IdentityRule,
  proofEndsMs: number,
  nowMs: number,
): BundleSession {
  const rule = directory.identityRules.find((known) => known.ruleId === ruleId);
  // The rule that the proof was held against, and no other that has come in its place.
  if (rule?.statementId !== statementId) throw refused('no-rule');
  const { principal } = rule;
  const entry = directory.find(principal);
  if (entry?.status !== 'active' || entry.kind === 'system') throw refused('principal', principal);
  if (isPrivileged(entry) && !rule.privileged) throw refused('privileged', principal);
  const endsMs = Math.min(nowMs + rule.maxSessionSeconds * SECOND, proofEndsMs);
  if (endsMs < nowMs + SHORTEST_MS) throw refused('expired', principal);
  const others = directory.sessions().filter((session) => session.nkey !== nkey);
  if (others.length >= MAX_SESSIONS || others.filter((one) => one.ruleId === ruleId).length >= MAX_OF_RULE)
    throw refused('limit', principal);
  const session: BundleSession = {
    ...{ principal, ruleId, nkey, channelKey },
    openedAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(endsMs).toISOString(),
    ...('certificate' in proof ? { certificate: proof.certificate } : {}),
  };
  // As every reader will see it: INVARIANT: what is not carried there is not said here.
  if (directory.withSessions([...others, session]).findSession(nkey) === undefined)
    throw refused('keys', principal);
  return session;
}

const refused = (reason: Refusal, principal?: string) =>
  failure('IDENTITY_REJECTED', { details: { reason, principal } });

const STRANGERS = 'strangers session.opened';

async function recordRefusal(
  { refusals, makeRecord }: OperationPorts,
  call: Call,
  error: unknown,
): Promise<unknown> {
  const code = KeymeshError.is(error) ? error.code : undefined;
  if (!KeymeshError.is(error) || (code !== 'IDENTITY_REJECTED' && code !== 'CHANNEL_REJECTED')) return error;
  const reason =
    typeof error.details.reason === 'string' ? error.details.reason : ('sealed' satisfies Refusal);
  const principal = typeof error.details.principal === 'string' ? error.details.principal : undefined;
  await refusals.note(principal === undefined ? STRANGERS : `${principal} session.opened`, (summed) => ({
    record: makeRecord('session.opened', 'denied', {
      ...{ call, code: 'IDENTITY_REJECTED' },
      ...(principal === undefined ? {} : { subject: principal }),
      facts: summed === 0 ? { reason } : { reason, summed },
    }),
  }));
  return failure('IDENTITY_REJECTED');
}
