import { failure, type LeaseMetadata } from '@keymesh/contracts';
import { Command, Option } from 'commander';
import { makeCommand, runCommand, type CommonOptions } from '../command.js';
import { note, print, printJson, table } from '../output.js';

/** `lease issue|renew|revoke|list`. */
export const leaseCommand = (): Command => {
  const lease = new Command('lease').description('Values and tokens that are issued for a time.');
  for (const command of [issue(), renew(), revoke(), list()]) lease.addCommand(command);
  return lease;
};

interface TimeOptions extends CommonOptions {
  readonly ttl?: string;
  readonly audience?: string;
  readonly purpose?: string;
}

const timesOf = ({ ttl, audience, purpose }: TimeOptions) => ({
  ...(ttl === undefined ? {} : { ttlSeconds: seconds(ttl) }),
  ...(audience === undefined ? {} : { audience }),
  ...(purpose === undefined ? {} : { purpose }),
});

const TTL = ['--ttl <time>', 'how long, e.g. 90, 15m, 8h, 1d (default and maximum: the mesh’s own)'] as const;
const AUDIENCE = ['--audience <who>', 'whom a token is for'] as const;
const PURPOSE = [
  '--purpose <label>',
  'what for: policies may ask for it, and it stands in the record',
] as const;

function issue(): Command {
  return makeCommand(
    'issue',
    'Issue a value, or of a jwt_signing_key a signed token. It goes to standard output, its lease to standard error.',
    'keymesh lease issue billing/signer --audience https://api.example --ttl 15m',
  )
    .argument('<name>')
    .option(...TTL)
    .option(...AUDIENCE)
    .option(...PURPOSE)
    .action(async (name: string, options: TimeOptions) => {
      await runCommand('lease issue', options, async (session) => {
        using issued = await (await session.keymesh()).leases.issue(name, timesOf(options));
        // EXPOSE: this is the command that a person typed to get the value.
        const bytes = issued.value.expose();
        if (options.json) printJson({ ...issued.lease, valueBase64: Buffer.from(bytes).toString('base64') });
        else {
          note(`lease ${issued.lease.leaseId}, until ${issued.lease.expiresAt}`);
          await new Promise<void>((resolve, reject) =>
            process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())),
          );
        }
      });
    });
}

function renew(): Command {
  return makeCommand('renew', 'Renew a lease of your own.', 'keymesh lease renew 0197… --ttl 1h')
    .argument('<lease-id>')
    .option(...TTL)
    .option(...AUDIENCE)
    .option(...PURPOSE)
    .action(async (leaseId: string, options: TimeOptions) => {
      await runCommand('lease renew', options, async (session) => {
        const { lease, isCurrent, values } = await (
          await session.keymesh()
        ).leases.renew(leaseId, timesOf(options));
        using token = values?.token;
        if (!isCurrent) note('! There is a newer version of the credential. Issue a new lease to get it.');
        // EXPOSE: as in `issue`.
        const valueBase64 = token === undefined ? undefined : Buffer.from(token.expose()).toString('base64');
        if (options.json)
          printJson({ ...lease, isCurrent, ...(valueBase64 === undefined ? {} : { valueBase64 }) });
        else if (token === undefined) print(`Renewed until ${lease.expiresAt}.`);
        else {
          note(`lease ${lease.leaseId}, until ${lease.expiresAt}`);
          process.stdout.write(token.expose()); // EXPOSE: as in `issue`
        }
      });
    });
}

interface RevokeOptions extends CommonOptions {
  readonly principal?: string;
  readonly credential?: string;
}

function revoke(): Command {
  return makeCommand(
    'revoke',
    'End a lease, or all leases of a principal or of a credential.',
    'keymesh lease revoke --principal billing',
  )
    .argument('[lease-id]')
    .addOption(new Option('--principal <name>', 'all that it holds').conflicts('credential'))
    .option('--credential <name>', 'all that were issued of it')
    .action(async (leaseId: string | undefined, options: RevokeOptions) => {
      const { principal, credential } = options;
      if ([leaseId, principal, credential].filter((one) => one !== undefined).length !== 1) {
        throw failure('USAGE', { publicMessage: 'Name one lease id, or --principal, or --credential.' });
      }
      await runCommand('lease revoke', options, async (session) => {
        const { leases } = await session.keymesh();
        if (leaseId !== undefined) {
          const lease = await leases.revoke(leaseId);
          if (options.json) printJson(lease);
          else print(`The lease is ${lease.state}.`);
          return;
        }
        const revoked = await leases.revokeAll(
          principal === undefined ? { name: credential ?? '' } : { principal },
        );
        if (options.json) printJson({ revoked });
        else print(`Revoked ${String(revoked)} leases.`);
      });
    });
}

interface ListOptions extends CommonOptions {
  readonly principal?: string;
  readonly all?: boolean;
  readonly ended?: boolean;
}

const COLUMNS: (keyof LeaseMetadata)[] = [
  'leaseId',
  'principal',
  'kind',
  'state',
  'credentialId',
  'version',
  'expiresAt',
];

function list(): Command {
  return makeCommand('list', 'Live leases, newest first.', 'keymesh lease list --all')
    .addOption(new Option('--principal <name>', 'those of this principal').conflicts('all'))
    .option('--all', 'those of everybody')
    .option('--ended', 'also those that have ended lately')
    .action(async (options: ListOptions) => {
      await runCommand('lease list', options, async (session) => {
        const principal = options.all ? '*' : options.principal;
        const found = await (
          await session.keymesh()
        ).leases.list({
          ended: options.ended === true,
          ...(principal === undefined ? {} : { principal }),
        });
        if (options.json) printJson(found);
        else if (found.length === 0) note('No leases.');
        else print(table(found, COLUMNS));
      });
    });
}

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90`, `90s`, `15m`, `8h`, `1d` in seconds. */
function seconds(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,8})([smhd]?)$/.exec(text) ?? [];
  const found = UNITS[unit];
  if (count === '' || found === undefined || Number(count) === 0)
    throw failure('USAGE', { publicMessage: '--ttl takes a time such as 90, 15m, 8h or 1d.' });
  return Number(count) * found;
}
