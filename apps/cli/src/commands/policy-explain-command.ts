import type { Keymesh } from '@keymesh/client';
import {
  describeCredential,
  explainDecision,
  failure,
  findDecision,
  policyRequest,
  type CredentialMetadata,
  type PolicyRequest,
  type RequestInput,
} from '@keymesh/contracts';
import { SECOND } from '@keymesh/kernel';
import { isByPolicies } from '@keymesh/policy-engine';
import type { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { collected } from '../option-values.js';
import { printJson } from '../output.js';
import { tellExplanation, type RecordedDecision } from '../told-explanation.js';

interface ExplainOptions extends CommonOptions {
  readonly principal?: string;
  readonly action?: string;
  readonly credential?: string;
  readonly namespace?: string;
  readonly resource?: string;
  readonly context?: readonly string[];
  readonly record?: string;
}

type Request = RequestInput<typeof explainDecision>;
type Resource = PolicyRequest['resource'];

/** What is explained, and how it is called. */
interface Asked {
  readonly request: Request;
  /** Name of the resource, where the asker knows it. */
  readonly name: string | null;
  /** What was recorded then. */
  readonly recorded?: RecordedDecision;
}

/** `policy explain`: of a request as it would be decided now, or of a recorded decision as it was then. */
export const explainCommand = (): Command =>
  makeCommand(
    'explain',
    'Why a request is permitted or not: by which policies, what they looked at, and what would have permitted it.',
    'keymesh policy explain --principal billing --action retrieve --credential prod/stripe',
  )
    .option('--principal <name>', 'who asks, as it is now')
    .option('--action <action>', 'what for, e.g. retrieve')
    .option('--credential <name>', 'of this credential (you must be allowed to describe it)')
    .option('--namespace <name>', 'of this namespace, as what is not there is decided')
    .option('--resource <kind:id>', 'of another thing, e.g. audit-log:ledger')
    .option('--context <key=value>', 'what else is known of the request, e.g. approvals=2', collected)
    .option('--record <id>', 'a recorded decision: its index in the audit log, or its record’s id')
    .action(async (options: ExplainOptions) => {
      await runCommand('policy explain', options, async (session) => {
        const keymesh = await session.keymesh();
        const asked =
          options.record === undefined
            ? await hypothetical(keymesh, options)
            : await fromRecord(keymesh, options.record, options);
        const explained = await keymesh.call(explainDecision, asked.request);
        if (options.json) printJson(explained);
        else tellExplanation(explained, asked);
      });
    });

async function hypothetical(keymesh: Keymesh, options: ExplainOptions): Promise<Asked> {
  const { principal, credential } = options;
  const action = policyRequest.shape.action.safeParse(options.action).data;
  if (principal === undefined || action === undefined)
    throw usage(
      'Give --principal, --action (see docs/reference/policy.md) and what it is about; or --record.',
    );
  const resource = await resourceOf(keymesh, options);
  const context = { ...contextAbout(resource), ...contextOf(options.context ?? []) };
  return { request: { principal, action, resource, context }, name: credential ?? null };
}

// As each service asks of its own things (domain/access.ts of the vault, domain/authorize.ts of policy).
const contextAbout = ({ kind }: Resource): PolicyRequest['context'] => ({
  ...(kind === 'credential' || kind === 'namespace' ? { service: 'vault' } : {}),
  channel: 'encrypted',
  time: Math.floor(Date.now() / SECOND),
});

async function resourceOf(keymesh: Keymesh, options: ExplainOptions): Promise<Resource> {
  const { credential, namespace, resource } = options;
  if ([credential, namespace, resource].filter((given) => given !== undefined).length !== 1)
    throw usage('Give one of --credential, --namespace and --resource.');
  // Who may not describe it gets the answer that a credential that is not there gets.
  if (credential !== undefined)
    return resourceOfCredential(await keymesh.call(describeCredential, { name: credential }));
  if (namespace !== undefined) return { kind: 'namespace', id: namespace, attributes: { namespace } };
  const [kind, ...id] = (resource ?? '').split(':');
  const parsed = policyRequest.shape.resource.safeParse({ kind, id: id.join(':'), attributes: {} });
  if (parsed.success && id.length > 0) return parsed.data;
  throw usage('--resource takes a kind and an id, e.g. audit-log:ledger or principal:billing.');
}

/** A credential as the vault shows it to policies. */
function resourceOfCredential(credential: CredentialMetadata): Resource {
  const { credentialId, namespace, type, owner, tags, isActive } = credential;
  const { provider, sensitivity, expiresAt } = credential;
  return {
    kind: 'credential',
    id: credentialId,
    attributes: {
      ...{ namespace, type, owner, tags, isActive },
      ...(provider === null ? {} : { provider }),
      ...(sensitivity === null ? {} : { sensitivity }),
      ...(expiresAt === null ? {} : { expiresAt: Math.floor(Date.parse(expiresAt) / SECOND) }),
    },
  };
}

function contextOf(pairs: readonly string[]): PolicyRequest['context'] {
  return Object.fromEntries(
    pairs.map((pair): [string, string | number | boolean] => {
      const [, key, value = ''] = /^([a-zA-Z]+)=(.*)$/s.exec(pair) ?? [];
      if (key === undefined) throw usage('--context takes key=value, e.g. approvals=2.');
      if (/^-?\d{1,15}$/.test(value)) return [key, Number(value)];
      return [key, value === 'true' ? true : value === 'false' ? false : value];
    }),
  );
}

async function fromRecord(keymesh: Keymesh, id: string, options: ExplainOptions): Promise<Asked> {
  if (
    [options.principal, options.action, options.credential, options.namespace].some(
      (given) => given !== undefined,
    )
  )
    throw usage('A record says itself who asked for what: give --record alone.');
  const by = /^\d{1,15}$/.test(id) ? { index: Number(id) } : { recordId: id };
  const { decision, name } = await keymesh.call(findDecision, by);
  const { request, bundleVersion, errors } = decision;
  const [objection] = isByPolicies(decision) ? [] : errors;
  return {
    request: { ...request, bundleVersion, ...(objection === undefined ? {} : { objection }) },
    name,
    recorded: decision,
  };
}

const usage = (publicMessage: string) => failure('USAGE', { publicMessage });
