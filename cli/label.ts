import { Command, Option } from 'commander';
import { writeJsonl } from '../data/jsonl.ts';
import { readSampled } from '../data/readers.ts';
import { createLabeler, labelerNames } from '../labelers/index.ts';
import { label } from '../labelers/preferences.ts';
import { jsonOption, summarize } from './step.ts';

interface Flags {
  by: (typeof labelerNames)[number];
  in: string;
  out: string;
  json?: boolean;
}

/** `selm label`: from answers to preferences. */
export function labelCommand(): Command {
  return new Command('label')
    .description('Rank answers: the best becomes chosen, the worst rejected.')
    .addOption(new Option('--by <labeler>', 'Who prefers what.').choices(labelerNames).makeOptionMandatory())
    .requiredOption('--in <file>', 'Rows of selm sample.')
    .requiredOption('--out <file>', "Gets rows in TRL's preference format plus reference_response.")
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const rows = await readSampled(flags.in);
      const { preferences, stats } = await label(rows, createLabeler({ by: flags.by }));
      await writeJsonl(flags.out, preferences);
      const dropped = stats.rows - stats.preferences;
      summarize(
        flags,
        { ...stats, out: flags.out },
        `${flags.out}: ${stats.preferences} preferences from ${stats.rows} prompts, ${dropped} without a preference dropped.`,
      );
    });
}
