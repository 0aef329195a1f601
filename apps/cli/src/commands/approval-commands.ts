import {
  ACTIONS,
  approveRequest,
  cancelRequest,
  describeCredential,
  failure,
  listApprovals,
  rejectRequest,
  requestApproval,
  type Action,
  type ApprovalSummary,
  type RequestInput,
} from '@keymesh/contracts';
import { MINUTE, SECOND } from '@keymesh/kernel';
import { isContentOf, requestDigestOf, signApproval } from '@keymesh/policy-engine';
import { Command, Option } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { wholeNumber } from '../option-values.js';
import { facts, note, print, printJson, table } from '../output.js';
import { signingKeyOfProfile } from '../rotate-keys.js';

/** `approval request|list|show|approve|reject|cancel`. */
export const approvalCommand = (): Command => {
  const approval = new Command('approval').description('What others have to agree to first.');
  for (const command of [request(), list(), show(), approve(), reject(), cancel()])
    approval.addCommand(command);
  return approval;
};

interface RequestOptions extends CommonOptions {
  readonly action: Action;
  readonly credential?: string;
  readonly namespace?: string;
  readonly credentialVersion?: string;
  readonly stage?: 'current' | 'previous';
  readonly purpose?: string;
  readonly reason: string;
  readonly minutes: string;
  readonly wait?: string;
}

function request(): Command {
  return makeCommand(
    'request',
    'Ask others to approve one request of yours. Make that request again when they have. What is no value: `--ask-approval REASON` of the command itself.',
    'keymesh approval request --action retrieve --credential billing/stripe --reason "invoice run"',
  )
    .addOption(new Option('--action <action>', 'what you want to do').choices(ACTIONS).makeOptionMandatory())
    .option('--credential <name>', 'with this credential')
    .option('--namespace <name>', 'or with this namespace')
    .option('--credential-version <n>', 'with this version, as you will ask for it')
    .addOption(
      new Option('--stage <stage>', 'with the version at this stage, as you will ask for it').choices([
        'current',
        'previous',
      ]),
    )
    .option('--purpose <purpose>', 'for this purpose, as you will say it')
    .requiredOption('--reason <text>', 'for those who approve')
    .option('--minutes <n>', 'how long approvals are to last, up to 1440', '60')
    .option('--wait <n>', 'wait until so many have approved')
    .action(async (options: RequestOptions) => {
      await runCommand('approval request', options, async (session) => {
        const keymesh = await session.keymesh();
        const asked = await keymesh.call(requestApproval, await requestOf(session, options));
        if (options.json) printJson(asked);
        else {
          print(asked.approvalId);
          note(`Until ${asked.expiresAt}. Digest of the request: ${asked.requestDigest}`);
        }
        if (options.wait !== undefined)
          await waitFor(session, asked.approvalId, wholeNumber('--wait', options.wait));
      });
    });
}

async function requestOf(
  session: Session,
  { credentialVersion, action, stage, purpose, reason, minutes, ...what }: RequestOptions,
): Promise<RequestInput<typeof requestApproval>> {
  return {
    action,
    ...(await resourceOf(session, what)),
    ...(credentialVersion === undefined
      ? {}
      : { version: wholeNumber('--credential-version', credentialVersion) }),
    ...(stage === undefined ? {} : { stage }),
    ...(purpose === undefined ? {} : { purpose }),
    reason,
    lastsSeconds: (wholeNumber('--minutes', minutes) * MINUTE) / SECOND,
  };
}

/** By its id: a name may be another's tomorrow. */
async function resourceOf(
  session: Session,
  { credential, namespace }: Pick<RequestOptions, 'credential' | 'namespace'>,
): Promise<Pick<RequestInput<typeof requestApproval>, 'resource' | 'attributes'>> {
  if ((credential === undefined) === (namespace === undefined))
    throw failure('USAGE', { publicMessage: 'Give either --credential or --namespace.' });
  if (namespace !== undefined)
    return { resource: { kind: 'namespace', id: namespace }, attributes: { namespace } };
  const known = await (await session.keymesh()).call(describeCredential, { name: credential });
  const { credentialId, type, provider, owner, tags, sensitivity } = known;
  return {
    resource: { kind: 'credential', id: credentialId },
    attributes: {
      ...{ namespace: known.namespace, type, owner, tags },
      ...(provider === null ? {} : { provider }),
      ...(sensitivity === null ? {} : { sensitivity }),
    },
  };
}

const POLL_MS = 2 * SECOND;

async function waitFor(session: Session, approvalId: string, count: number): Promise<void> {
  for (;;) {
    const { status, approvers, endedReason } = await find(session, approvalId);
    if (status !== 'open')
      throw failure('APPROVAL_NOT_FOUND', {
        publicMessage: `The request was ${status}${endedReason === null ? '' : `: ${endedReason}`}.`,
      });
    if (approvers.length >= count) {
      note(`Approved by ${approvers.join(', ')}.`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function find(session: Session, approvalId: string): Promise<ApprovalSummary> {
  const { approvals } = await (await session.keymesh()).call(listApprovals, { approvalId });
  const [found] = approvals;
  if (found === undefined) throw failure('APPROVAL_NOT_FOUND');
  const { contentHash } = found.request;
  // What is signed is the hash: it must be of what is shown.
  if (contentHash !== undefined && !isContentOf(found.content ?? '', contentHash))
    throw failure('APPROVAL_NOT_FOUND', {
      publicMessage: 'What is shown is not what would be approved. Nothing was signed; tell an operator.',
    });
  // Made here of what is shown and signed, whatever the service calls it.
  const { meshId } = await session.profile();
  return { ...found, requestDigest: requestDigestOf(meshId, found.request) };
}

function list(): Command {
  return makeCommand(
    'list',
    'Your own requests, and those of others that you may approve.',
    'keymesh approval list',
  ).action(async (options: CommonOptions) => {
    await runCommand('approval list', options, async (session) => {
      const { approvals } = await (await session.keymesh()).call(listApprovals, {});
      if (options.json) {
        printJson(approvals);
        return;
      }
      const rows = approvals.map(({ request: { principal, action, resource }, ...rest }) => ({
        ...rest,
        asker: principal,
        action,
        resource: `${resource.kind} ${resource.id}`,
      }));
      const columns = [
        'approvalId',
        'asker',
        'action',
        'resource',
        'status',
        'approvers',
        'expiresAt',
        'reason',
      ];
      print(table(rows, columns));
    });
  });
}

function show(): Command {
  return makeCommand(
    'show',
    'One request, with what the vault calls the credential, or what is to be written.',
    'keymesh approval show 0197…',
  )
    .argument('<approval-id>')
    .action(async (approvalId: string, options: CommonOptions) => {
      await runCommand('approval show', options, async (session) => {
        const found = await find(session, approvalId);
        const credential = await nameOf(session, found);
        if (options.json) printJson({ ...found, credential });
        else print(facts({ ...found, credential }));
      });
    });
}

/** What the vault says its name is, where the caller may know it: the asker's word is not taken for it. */
async function nameOf(session: Session, { request: { resource } }: ApprovalSummary): Promise<string | null> {
  if (resource.kind !== 'credential') return null;
  const keymesh = await session.keymesh();
  return keymesh.call(describeCredential, { credentialId: resource.id }).then(
    ({ name }) => name,
    () => null,
  );
}

function approve(): Command {
  return makeCommand(
    'approve',
    'Approve one request, by your own signature. See it with `approval show` first.',
    'keymesh approval approve 0197…',
  )
    .argument('<approval-id>')
    .option('--digest <digest>', 'sign only the request that `approval show` told this digest of')
    .action(async (approvalId: string, options: CommonOptions & { readonly digest?: string }) => {
      await runCommand('approval approve', options, async (session) => {
        const asked = await find(session, approvalId);
        const credential = await nameOf(session, asked);
        const { principal: asker, action, resource } = asked.request;
        const profile = await session.profile();
        if (options.digest !== undefined && options.digest !== asked.requestDigest)
          throw failure('APPROVAL_NOT_FOUND', {
            publicMessage: 'This is not the request of that digest. Look at it again; nothing was signed.',
          });
        const approval = signApproval(
          {
            v: 1,
            meshId: profile.meshId,
            approvalId,
            request: asked.request,
            approver: profile.principal,
            issuedAt: new Date().toISOString(),
            expiresAt: asked.expiresAt,
          },
          signingKeyOfProfile(profile),
        );
        const reply = await (await session.keymesh()).call(approveRequest, { approval });
        if (options.json) printJson(reply);
        else
          print(
            `Approved until ${asked.expiresAt}: ${asker} may ${action} ${credential ?? resource.id}. Approvals so far: ${String(reply.approvals)}.`,
          );
      });
    });
}

function reject(): Command {
  return makeCommand(
    'reject',
    'End a request of somebody else, with what was approved of it.',
    'keymesh approval reject 0197… --reason "use the read replica"',
  )
    .argument('<approval-id>')
    .requiredOption('--reason <text>', 'for whoever asked')
    .action(async (approvalId: string, options: CommonOptions & { readonly reason: string }) => {
      await runCommand('approval reject', options, async (session) => {
        const { reason } = options;
        const reply = await (await session.keymesh()).call(rejectRequest, { approvalId, reason });
        if (options.json) printJson(reply);
        else print(`Rejected ${approvalId}.`);
      });
    });
}

function cancel(): Command {
  return makeCommand('cancel', 'End a request of your own.', 'keymesh approval cancel 0197…')
    .argument('<approval-id>')
    .action(async (approvalId: string, options: CommonOptions) => {
      await runCommand('approval cancel', options, async (session) => {
        const reply = await (await session.keymesh()).call(cancelRequest, { approvalId });
        if (options.json) printJson(reply);
        else print(`Cancelled ${approvalId}.`);
      });
    });
}
