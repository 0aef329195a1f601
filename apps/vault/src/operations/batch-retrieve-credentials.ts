import {
  failure,
  MAX_MESSAGE_BYTES,
  parseMessage,
  retrieveCredential,
  toPublicError,
  type batchRetrieveCredentials,
  type ReplyOf,
  type RequestOf,
} from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import type { BeginAttempt, OwnAttempt } from '../domain/audit-trail.js';
import { failedItem } from '../domain/batch.js';
import { canonicalName } from '../domain/name.js';
import { disposeValues, sizeOfValues } from '../domain/parts.js';
import {
  mayRelease,
  openOnce,
  replyOf,
  type OpenCredentialPorts,
  type OpenedCredential,
} from './retrieve-credential.js';

export interface BatchRetrieveCredentialsPorts extends OpenCredentialPorts {
  readonly beginAttempt: BeginAttempt;
}

type Request = RequestOf<typeof batchRetrieveCredentials>;
type Result = ReplyOf<typeof batchRetrieveCredentials>['results'][number];
type Item = Request['items'][number];

/** One version of one credential that is asked for, in one or more places of the batch. Answered by a value or an error. */
interface Ask {
  readonly item: Item;
  places: number;
  attempt?: OwnAttempt;
  opened?: OpenedCredential | undefined;
  error?: unknown;
}

// How often a batch may find, at the moment of release, that something of it has just changed.
const MAX_ROUNDS = 5;
/** For the message around the results. */
const ENVELOPE_BYTES = 4_096;

/**
 * Hands out many values, each decided, opened and recorded as a retrieve of its own.
 * INVARIANT: no value is returned before the records of all are durable; they wait for one write to the journal together.
 * @throws AUDIT_UNAVAILABLE: then no value at all. Everything else is told item by item.
 */
export function makeBatchRetrieveCredentials(
  ports: BatchRetrieveCredentialsPorts,
): Handler<typeof batchRetrieveCredentials> {
  return async ({ items }, call) => {
    const { asks, askOf } = distinctAsks(items);
    let released = false;
    try {
      for (let round = 1; asks.some(isUnanswered); round += 1) await answerOnce(ports, asks, call, round);
      // Nothing is awaited from the last look at what changed to here.
      const results = items.map((item) => resultOf(askOf(item)));
      released = true;
      return { results };
    } finally {
      if (!released) asks.forEach(drop);
    }
  };
}

const keyOf = ({ name, version, stage, purpose }: Item): string =>
  JSON.stringify([canonicalName(name), version ?? null, stage ?? null, purpose ?? null]);

function distinctAsks(items: readonly Item[]) {
  const asks = new Map<string, Ask>();
  for (const item of items) {
    const key = keyOf(item);
    const ask = asks.get(key) ?? { item: { ...item, name: canonicalName(item.name) }, places: 0 };
    ask.places += 1;
    asks.set(key, ask);
  }
  for (const ask of asks.values()) checkName(ask);
  return { asks: [...asks.values()], askOf: (item: Item) => asks.get(keyOf(item)) };
}

/** What is not a name is refused as the single operation refuses it: before anything is looked at, and without a record. */
function checkName(ask: Ask): void {
  try {
    parseMessage(retrieveCredential.request, ask.item);
  } catch (error) {
    ask.error = error;
  }
}

const isUnanswered = ({ opened, error }: Ask): boolean => opened === undefined && error === undefined;

/** Opens what is still unanswered, records it, and drops again what changed under way. */
async function answerOnce(
  ports: BatchRetrieveCredentialsPorts,
  asks: readonly Ask[],
  call: Call,
  round: number,
): Promise<void> {
  const open = asks.filter(isUnanswered);
  await Promise.all(
    open.map((ask) => (round > MAX_ROUNDS ? giveUp(ports, ask, call) : openAsk(ports, ask, call))),
  );
  refuseWhatDoesNotFit(asks);
  await Promise.all(open.map(record));
  const unexpected = open.find(({ error }) => error !== undefined && !KeymeshError.is(error));
  if (unexpected !== undefined) throw unexpected.error;
  for (const ask of asks) if (ask.opened !== undefined && !mayRelease(ports, ask.opened)) drop(ask);
}

async function openAsk(ports: BatchRetrieveCredentialsPorts, ask: Ask, call: Call): Promise<void> {
  const attempt = ports.beginAttempt('credential.retrieved', call);
  ask.attempt = attempt;
  attempt.named(ask.item.name);
  try {
    ask.opened = await openOnce(ports, ask.item, call, attempt);
  } catch (error) {
    ask.error = error;
  }
}

function giveUp(ports: BatchRetrieveCredentialsPorts, ask: Ask, call: Call): Promise<void> {
  ask.attempt = ports.beginAttempt('credential.retrieved', call);
  ask.attempt.named(ask.item.name);
  ask.error = failure('UNAVAILABLE', { publicMessage: 'The credential changes all the time. Ask again.' });
  return Promise.resolve();
}

/** In order, so that a page takes as many as it can from its beginning. */
function refuseWhatDoesNotFit(asks: readonly Ask[]): void {
  let left = MAX_MESSAGE_BYTES - ENVELOPE_BYTES;
  for (const ask of asks) {
    if (ask.opened === undefined) continue;
    const { values } = ask.opened;
    const sizeBytes = ask.places * (sizeOfValues(values) + JSON.stringify(replyOf(ask.opened)).length);
    if (sizeBytes <= left) left -= sizeBytes;
    else {
      drop(ask);
      ask.error = failure('PAYLOAD_TOO_LARGE', {
        publicMessage:
          'This value does not fit into the answer with those before it. Ask for it in another batch.',
      });
    }
  }
}

/** Called for all in one go: they share a write to the journal. */
async function record({ attempt, opened, error }: Ask): Promise<void> {
  if (opened !== undefined) await attempt?.succeeded();
  else if (error !== undefined) await attempt?.failed(toPublicError(error).code);
}

function drop(ask: Ask): void {
  if (ask.opened !== undefined) disposeValues(ask.opened.values);
  ask.opened = undefined;
}

function resultOf(ask: Ask | undefined): Result {
  return ask?.opened === undefined
    ? failedItem(ask?.error)
    : { outcome: 'retrieved', ...replyOf(ask.opened) };
}
