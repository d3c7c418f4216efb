/** What `selm prompts final-answer`, `regex` and `json-schema` share. */
import { Command } from 'commander';
import { z } from 'zod';
import { counted } from '../../../data/counted.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { checkedPrompts, type CheckedSettings } from '../../../labelers/prompts/checked.ts';
import { addSources, droppedText, readSources, type SourceFlags } from './flags.ts';
import { seedFlags, SettingsFlags, type GivenFlags } from '../../settings.ts';
import { summarize } from '../../step.ts';

const countFlags = new SettingsFlags(
  z.strictObject({
    count: z
      .int()
      .positive()
      .optional()
      .describe(
        'Number of prompts, drawn at random. If there are fewer, nothing is written. Default: all, in their order.',
      ),
  }),
);

export interface CheckedFlags extends SourceFlags, GivenFlags {
  template?: string;
}

interface Texts {
  description: string;
  /** The rows of --from. */
  from: string;
  /** The prompt without --template. */
  standard: string;
  /** Commands. */
  example: string;
}

/** A command that makes prompts of rows, without its own flags and action. */
export function checkedCommand(name: string, { description, from, standard, example }: Texts): Command {
  const command = new Command(name).description(description);
  addSources(command, from).option(
    '--template <text>',
    `The prompt, with {COLUMN} for a column of the row. Default: ${standard}`,
  );
  for (const group of [countFlags, seedFlags]) group.addTo(command);
  return command.addHelpText('after', `\nExample:\n${example}`);
}

/** Writes the prompts and prints the summary. @param fixed placeholders of templates that are not columns */
export async function writeChecked(
  flags: CheckedFlags,
  settings: Pick<CheckedSettings, 'addition' | 'columns' | 'rule'>,
  fixed: string[] = [],
): Promise<void> {
  const [{ count }, { seed }] = [countFlags.read(flags), seedFlags.read(flags)];
  const { template, out } = flags;
  const { rows, heldOut } = await readSources(flags, { template, fixed });
  const { prompts, dropped, problem } = checkedPrompts(rows, heldOut, { ...settings, template, count, seed });
  await writeJsonl(out, prompts);
  const first = problem === undefined ? '' : ` The first that is not checkable: ${problem}`;
  summarize(
    flags,
    { prompts: prompts.length, rows: rows.length, dropped, ...(problem !== undefined && { problem }), out },
    `${out}: ${counted(prompts.length, 'prompt')} from ${counted(rows.length, 'row')}${droppedText(dropped)}.${first}`,
  );
}
