import { randomUUID } from 'node:crypto';
import {
  failure,
  KILLABLE_ROLES,
  type KillSwitch,
  type ReplyOf,
  type setKillSwitch,
} from '@keymesh/contracts';
import type { Clock } from '@keymesh/kernel';
import type { Call, Handler } from '@keymesh/mesh';
import { authorize, requestKey, type OperationPorts } from '../domain/authorize.js';
import { anotherOperatorRemains, findPrincipal } from '../domain/guards.js';
import type { CutConnections, PolicyState } from '../domain/ports.js';

/** In force at once; more than that are a mesh that wants stopping as a whole. */
const MAX_IN_FORCE = 100;

/**
 * Stops a principal, the holders of a role, a namespace, or everyone but operators. The bundle that says so is durable before connections
 * are cut, and they are cut before we answer. The kill switch stays until an operator's signed word lifts it: nothing ends it by itself.
 */
export const makeSetKillSwitch =
  (
    ports: OperationPorts & { readonly clock: Clock; readonly cutConnections: CutConnections },
  ): Handler<typeof setKillSwitch> =>
  async ({ scope, name, reason }, call) => {
    const { book, makeRecord, clock, cutConnections } = ports;
    const decision = await authorize(ports, call, {
      action: 'kill-switch.set',
      type: 'kill-switch.set',
      content: { scope, ...(name === undefined ? {} : { name }) },
      ...(scope === 'principal' && name !== undefined ? { subject: name } : {}),
    });
    const kill: KillSwitch = {
      ...{ killId: randomUUID(), scope, ...(name === undefined ? {} : { name }), reason },
      ...{ since: new Date(clock.now()).toISOString(), by: call.principal },
    };
    let stopped: readonly string[] = [];
    const reply = await book.change<ReplyOf<typeof setKillSwitch>>(requestKey(call), (state) => {
      checkKill(state, call, kill);
      const same = state.directory.kills.find((known) => known.scope === scope && known.name === name);
      stopped = stoppedBy(state, same ?? kill);
      const answer = (bundleVersion: number) => ({
        ...{ killId: same?.killId ?? kill.killId, bundleVersion },
        stopped: same === undefined ? stopped.length : 0,
      });
      if (same !== undefined) return { records: [], reply: answer };
      const facts = {
        killId: kill.killId,
        scope,
        ...(name === undefined ? {} : { name }),
        stopped: stopped.length,
      };
      const resource = resourceOf(kill);
      const record = makeRecord('kill-switch.set', 'success', {
        ...{ call, decision, facts },
        ...(resource === undefined ? {} : { resource }),
      });
      return { change: { kills: [kill] }, records: [{ record, beside: { reason } }], reply: answer };
    });
    await cutConnections(stopped);
    return reply;
  };

/** What it is about, where that is one thing. */
const resourceOf = ({ scope, name }: KillSwitch) =>
  (scope === 'principal' || scope === 'namespace') && name !== undefined
    ? { kind: scope, id: name }
    : undefined;

/** @throws PRINCIPAL_NOT_FOUND, DENIED, BAD_REQUEST */
function checkKill(state: PolicyState, call: Call, { scope, name = '' }: KillSwitch): void {
  if (state.directory.kills.length >= MAX_IN_FORCE && scope !== 'everyone')
    throw failure('BAD_REQUEST', {
      publicMessage: 'A hundred kill switches are in force. Lift some, or stop everyone.',
    });
  if (scope === 'role' && !KILLABLE_ROLES.some((role) => role === name))
    throw failure('BAD_REQUEST', {
      publicMessage: `A kill switch stops the holders of ${KILLABLE_ROLES.join(', ')}; operators one by one.`,
    });
  if (scope !== 'principal') return;
  const { kind, roles } = findPrincipal(state, name);
  if (kind === 'system')
    throw failure('DENIED', {
      publicMessage:
        'Services of the mesh are never stopped by a kill switch. Stop the process, and its role first.',
    });
  if (!roles.includes('operator')) return;
  // Whoever may set kill switches is not always one who may disable operators.
  if (!isOperator(state, call.principal))
    throw failure('DENIED', { publicMessage: 'Only an operator stops an operator.' });
  if (!anotherOperatorRemains(state, name))
    throw failure('DENIED', {
      publicMessage: 'The last operator cannot be stopped. Enrol another one first.',
    });
}

const isOperator = ({ directory }: PolicyState, name: string): boolean =>
  directory.find(name)?.roles.includes('operator') === true;

/** Who is stopped with it and would not be without. */
function stoppedBy({ directory }: PolicyState, kill: KillSwitch): readonly string[] {
  const without = directory.withKills(directory.kills.filter(({ killId }) => killId !== kill.killId));
  const withIt = without.withKills([...without.kills, kill]);
  return withIt
    .list()
    .filter(({ name, status }) => status === 'killed' && without.find(name)?.status !== 'killed')
    .map(({ name }) => name);
}
