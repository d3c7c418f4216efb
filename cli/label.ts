import { Command } from 'commander';
import { writeJsonl } from '../data/jsonl.ts';
import { readSampled } from '../data/readers.ts';
import { adviceOn } from '../labelers/judge/advice.ts';
import { candidatesOf } from '../labelers/labels.ts';
import { preferencesOf, type LabelStats } from '../labelers/preferences.ts';
import { addLabeler, labelerOf, openLabeler, type LabelerFlags } from './labeling.ts';
import { jsonOption, summarize, withEngine } from './step.ts';

interface Flags extends LabelerFlags {
  in: string;
  out: string;
  json?: boolean;
}

/** `selm label`: from answers to preferences. */
export function labelCommand(): Command {
  const command = new Command('label').description('Rank answers: the best becomes chosen, the worst rejected.');
  return addLabeler(command)
    .requiredOption('--in <file>', 'Rows of selm sample.')
    .requiredOption('--out <file>', "Gets rows in TRL's preference format plus reference_response.")
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const rows = await readSampled(flags.in);
      const settings = labelerOf(flags);
      const labels = await withEngine(async (engine, options) => {
        const judge = await openLabeler(settings, engine, rows);
        return judge(rows.map(candidatesOf), options);
      });
      const { preferences, stats } = preferencesOf(rows, labels);
      await writeJsonl(flags.out, preferences);
      summarize(
        flags,
        { ...stats, out: flags.out },
        `${flags.out}: ${stats.preferences} preferences from ${stats.rows} prompts${describeDropped(stats)}.${describeCounts(stats)}`,
      );
    });
}

/** How many prompts have no preference, and why. */
function describeDropped({ rows, preferences, dropped }: LabelStats): string {
  const reasons = Object.entries(dropped).filter(([, count]) => count > 0);
  if (reasons.length === 0) return '';
  return `; ${rows - preferences} dropped (${reasons.map(([reason, count]) => `${reason} ${count}`).join(', ')})`;
}

/** What the labeler counted. */
function describeCounts({ counts = {} }: LabelStats): string {
  const told = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return told.length === 0 ? '' : [` The labeler counts ${told.join(', ')}.`, ...adviceOn(counts)].join(' ');
}
