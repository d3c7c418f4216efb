import { Command } from 'commander';
import { writeJsonl } from '../data/jsonl.ts';
import { readAnswered } from '../data/readers.ts';
import { adviceOn } from '../labelers/judge/advice.ts';
import { candidatesOf } from '../labelers/labels.ts';
import { labelerSettings } from '../labelers/needs.ts';
import { describeReasons, preferencesOf, type LabelStats } from '../labelers/preferences.ts';
import { addLabeler, labelOf, openLabeler, truncatedFlags, type LabelerFlags } from './labeling.ts';
import { computeFlags, computeOf, jsonOption, summarize, withEngine } from './step.ts';

interface Flags extends LabelerFlags {
  in: string;
  out: string;
  json?: boolean;
}

/** `selm label`: score responses and write preferences. */
export function labelCommand(): Command {
  const command = new Command('label').description(
    'Make preferences of responses: the best becomes chosen, the worst rejected.',
  );
  addLabeler(command)
    .requiredOption('--in <file>', 'Rows of selm sample, or rows {prompt, responses: [{text}]}.')
    .requiredOption('--out <file>', "File for rows in TRL's preference format, with reference_response and token ids.");
  for (const group of [truncatedFlags, computeFlags]) group.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags) => {
    const rows = await readAnswered(flags.in);
    const settings = labelOf(flags);
    const { truncated } = settings;
    const compute = computeOf(flags);
    const labels = await withEngine(async (engine, options) => {
      const judge = await openLabeler(labelerSettings(settings), engine, rows, compute);
      return judge(
        rows.map((row) => candidatesOf(row, truncated)),
        options,
      );
    });
    const { preferences, stats } = preferencesOf(rows, labels, rows, { truncated });
    await writeJsonl(flags.out, preferences);
    summarize(
      flags,
      { ...stats, out: flags.out },
      `${flags.out}: ${stats.preferences} preferences from ${stats.rows} prompts${describeDropped(stats)}.` +
        describeTruncated(stats) +
        describeCounts(stats),
    );
  });
}

/** The number of prompts without a preference, by reason. */
const describeDropped = ({ rows, preferences, dropped }: LabelStats): string =>
  preferences === rows ? '' : `; ${rows - preferences} dropped (${describeReasons(dropped)})`;

function describeTruncated({ truncated }: LabelStats): string {
  return truncated === 0 ? '' : ` ${truncated} responses were truncated at the length limit.`;
}

/** The labeler's counts as text. */
function describeCounts({ counts = {} }: LabelStats): string {
  const listed = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return listed.length === 0 ? '' : [` The labeler counts ${listed.join(', ')}.`, ...adviceOn(counts)].join(' ');
}
