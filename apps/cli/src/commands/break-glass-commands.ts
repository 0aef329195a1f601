import {
  closeBreakGlass,
  failure,
  listBreakGlass,
  MAX_BREAK_GLASS_MINUTES,
  openBreakGlass,
  reviewBreakGlass,
  type BreakGlassSummary,
} from '@keymesh/contracts';
import { MINUTE } from '@keymesh/kernel';
import { Command } from 'commander';
import { makeCommand, runCommand, type CommonOptions, type Session } from '../command.js';
import { makeStatement } from '../make-statement.js';
import { wholeNumber } from '../option-values.js';
import { note, print, printJson, table } from '../output.js';

/** `break-glass open|close|review|list`. */
export const breakGlassCommand = (): Command => {
  const breakGlass = new Command('break-glass').description(
    'What the role break-glass may for a while, without being asked and not without being seen.',
  );
  for (const command of [open(), close(), review(), list()]) breakGlass.addCommand(command);
  return breakGlass;
};

function open(): Command {
  return makeCommand(
    'open',
    'Use the role break-glass from now on, for a while. Everybody is told, and somebody else reviews it.',
    'keymesh break-glass open --reason "invoice run stands still" --minutes 30',
  )
    .requiredOption('--reason <text>', 'for the record and for whoever reviews it')
    .option('--minutes <n>', `how long, up to ${String(MAX_BREAK_GLASS_MINUTES)}`, '60')
    .action(async (options: CommonOptions & { readonly reason: string; readonly minutes: string }) => {
      await runCommand('break-glass open', options, async (session) => {
        const minutes = wholeNumber('--minutes', options.minutes);
        if (minutes < 1 || minutes > MAX_BREAK_GLASS_MINUTES)
          throw failure('USAGE', {
            publicMessage: `--minutes takes 1 to ${String(MAX_BREAK_GLASS_MINUTES)}.`,
          });
        const profile = await session.profile();
        const until = new Date(Date.now() + minutes * MINUTE).toISOString();
        const statement = makeStatement(profile, {
          type: 'break-glass.opened',
          principal: profile.principal,
          until,
        });
        const { reason } = options;
        const reply = await (await session.keymesh()).call(openBreakGlass, { statement, reason });
        if (options.json) printJson(reply);
        else {
          print(reply.openingId);
          note(`Open until ${reply.until}. Close it with \`keymesh break-glass close\` when you are done.`);
        }
      });
    });
}

function close(): Command {
  return makeCommand(
    'close',
    'End an opening before its time: yours, or as an operator anybody’s.',
    'keymesh break-glass close',
  )
    .argument('[opening-id]', 'default: your own that is open')
    .action(async (openingId: string | undefined, options: CommonOptions) => {
      await runCommand('break-glass close', options, async (session) => {
        const profile = await session.profile();
        const opening = await find(session, (one) =>
          openingId === undefined
            ? one.status === 'open' && one.principal === profile.principal
            : one.openingId === openingId,
        );
        const { principal } = opening;
        const statement = makeStatement(profile, {
          type: 'break-glass.closed',
          principal,
          openingId: opening.openingId,
        });
        const reply = await (await session.keymesh()).call(closeBreakGlass, { statement });
        if (options.json) printJson(reply);
        else print(`Closed ${opening.openingId} of ${principal}.`);
      });
    });
}

async function find(
  session: Session,
  isWanted: (opening: BreakGlassSummary) => boolean,
): Promise<BreakGlassSummary> {
  const { openings } = await (await session.keymesh()).call(listBreakGlass, {});
  const found = openings.find(isWanted);
  if (found === undefined)
    throw failure('USAGE', {
      publicMessage: 'There is no such opening that you may see. See `keymesh break-glass list`.',
    });
  return found;
}

interface ReviewOptions extends CommonOptions {
  readonly finding: string;
  readonly notJustified?: boolean;
}

function review(): Command {
  return makeCommand(
    'review',
    'Say what you found when you looked at what was done under somebody else’s opening, after its end.',
    'keymesh break-glass review 0197… --finding "one credential read, rotated since"',
  )
    .argument('<opening-id>')
    .requiredOption('--finding <text>', 'what you found')
    .option('--not-justified', 'it should not have been opened, or was used for something else')
    .action(async (openingId: string, options: ReviewOptions) => {
      await runCommand('break-glass review', options, async (session) => {
        const { principal } = await find(session, (one) => one.openingId === openingId);
        const justified = options.notJustified !== true;
        const statement = makeStatement(await session.profile(), {
          type: 'break-glass.reviewed',
          principal,
          openingId,
          justified,
        });
        const { finding } = options;
        const reply = await (await session.keymesh()).call(reviewBreakGlass, { statement, finding });
        if (options.json) printJson(reply);
        else print(`Reviewed ${openingId} of ${principal}: ${justified ? 'justified' : 'not justified'}.`);
      });
    });
}

function list(): Command {
  return makeCommand(
    'list',
    'Openings, newest first: open, unreviewed, reviewed.',
    'keymesh break-glass list',
  ).action(async (options: CommonOptions) => {
    await runCommand('break-glass list', options, async (session) => {
      const { openings } = await (await session.keymesh()).call(listBreakGlass, {});
      const columns = [
        'openingId',
        'principal',
        'status',
        'openedAt',
        'until',
        'closedAt',
        'reviewedBy',
        'reason',
      ];
      if (options.json) printJson(openings);
      else print(table(openings, columns));
    });
  });
}
