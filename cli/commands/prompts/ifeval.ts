import { Command } from 'commander';
import { z } from 'zod';
import { counted } from '../../../data/counted.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { composePrompts, type ComposedPrompt } from '../../../labelers/prompts/ifeval/compose.ts';
import { kindIds } from '../../../labelers/prompts/ifeval/conflicts.ts';
import { addSources, droppedText, readSources, type SourceFlags } from './flags.ts';
import { seedFlags, SettingsFlags, type GivenFlags } from '../../settings.ts';
import { summarize } from '../../step.ts';

const countFlags = new SettingsFlags(
  z.strictObject({
    count: z.int().positive().describe('Number of prompts. If fewer can be composed, nothing is written.'),
  }),
);

/** `selm prompts ifeval`: compose prompts with IFEval's instructions from base prompts. */
export function promptsIfevalCommand(): Command {
  const command = new Command('ifeval').description(
    "Compose prompts in the style of IFEval (arXiv 2311.07911): base prompts with one to three of IFEval's 25 kinds of instructions, " +
      'such as "Use less than 100 words.", which do not contradict each other. For label.by: verifier.',
  );
  addSources(
    command,
    'base prompts without instructions, such as "Write a letter to a neighbor.", in a column prompt (or question, problem, ' +
      'instruction, text). Each is used several times if --count exceeds their number.',
  );
  for (const group of [countFlags, seedFlags]) group.addTo(command);
  command.addHelpText(
    'after',
    `
A row of the output has prompt, instruction_id_list, kwargs and base_prompt. Each kind of instruction is about equally frequent, except
"My answer is yes.", which only suits yes/no questions.

Example:
  selm prompts ifeval --from base.jsonl --count 4000 --held-out held-out.jsonl --out train.jsonl`,
  );
  return command.action(async (flags: SourceFlags & GivenFlags) => {
    const [{ count }, { seed }] = [countFlags.read(flags), seedFlags.read(flags)];
    const { rows, heldOut } = await readSources(flags);
    const { prompts, bases, dropped } = composePrompts(rows, heldOut, { count, seed });
    await writeJsonl(flags.out, prompts);
    const kinds = countsOf(prompts);
    const instructions = [1, 2, 3].map((each) => prompts.filter(({ kwargs }) => kwargs.length === each).length);
    const missing = kindIds.filter((id) => kinds[id] === 0);
    const lines = [
      `${flags.out}: ${counted(prompts.length, 'prompt')} from ${bases} of ${counted(rows.length, 'base prompt')}${droppedText(dropped)}.`,
      `With one, two and three instructions: ${instructions.join(', ')}.`,
      ...(missing.length > 0 ? [`No prompt has ${missing.join(', ')}.`] : []),
    ];
    summarize(
      flags,
      { prompts: prompts.length, rows: rows.length, basePrompts: bases, dropped, instructions, kinds, out: flags.out },
      lines.join('\n'),
    );
  });
}

/** The number of instructions of each kind. */
function countsOf(prompts: ComposedPrompt[]): Record<string, number> {
  const ids = prompts.flatMap(({ instruction_id_list: list }) => list);
  return Object.fromEntries(kindIds.map((kind) => [kind, ids.filter((id) => id === kind).length]));
}
