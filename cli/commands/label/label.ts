import { Command } from 'commander';
import { InputError } from '../../../data/errors.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { readAnswered } from '../../../data/readers.ts';
import { labelerNames } from '../../../labelers/index.ts';
import { candidatesOf } from '../../../labelers/labels.ts';
import { preferencesOf } from '../../../labelers/preferences.ts';
import { addPeopleFlags, labelByPeople, peopleOf, refusePeopleFlags, type PeopleFlags } from './by-people.ts';
import { labelCloseCommand } from './close.ts';
import { labelExportCommand } from './export.ts';
import { labelImportCommand } from './import.ts';
import { labelInvitationsCommand, labelInviteCommand, labelRevokeCommand } from './invite.ts';
import { labelPeopleCommand } from './people.ts';
import { describePreferences } from './summary.ts';
import { addLabeler, labelOf, openLabeler, scorerOf, truncatedFlags } from '../../labeling.ts';
import { checkOutputs } from '../../output-files.ts';
import { computeFlags, computeOf, jsonOption, summarize, withEngine } from '../../step.ts';

interface Flags extends PeopleFlags {
  in?: string;
  out?: string;
  json?: boolean;
}

/** `selm label`: score responses and write preferences. */
export function labelCommand(): Command {
  const command = new Command('label')
    .description('Make preferences of responses: the best becomes chosen, the worst rejected.')
    .addCommand(labelInviteCommand())
    .addCommand(labelInvitationsCommand())
    .addCommand(labelRevokeCommand())
    .addCommand(labelPeopleCommand())
    .addCommand(labelCloseCommand())
    .addCommand(labelExportCommand())
    .addCommand(labelImportCommand());
  // Commander would require a mandatory option of the subcommands too.
  addPeopleFlags(addLabeler(command, [...labelerNames, 'people']))
    .option('--in <file>', 'Rows of selm sample, or rows {prompt, responses: [{text}]}. (required)')
    .option(
      '--out <file>',
      "File for rows in TRL's preference format, with reference_response and token ids. (required)",
    );
  for (const group of [truncatedFlags, computeFlags]) group.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags) => {
    const { in: answered, out } = flags;
    if (answered === undefined || out === undefined)
      throw new InputError(`--${answered === undefined ? 'in' : 'out'} is missing: selm label needs --in and --out.`);
    checkOutputs({ '--out': out, '--votes': flags.votes }, [answered, flags.labelConfig]);
    const people = peopleOf(flags);
    if (people) return labelByPeople(flags, { in: answered, out }, people);
    refusePeopleFlags(flags);
    const rows = await readAnswered(answered);
    const settings = labelOf(flags);
    const { truncated } = settings;
    const compute = computeOf(flags);
    const labels = await withEngine(async (engine, options) => {
      const judge = await openLabeler(scorerOf(settings), engine, rows, compute);
      return judge(
        rows.map((row) => candidatesOf(row, truncated)),
        options,
      );
    });
    const { preferences, stats } = preferencesOf(rows, labels, rows, { truncated });
    await writeJsonl(out, preferences);
    summarize(flags, { ...stats, out }, describePreferences(out, stats));
  });
}
