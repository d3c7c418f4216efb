import { Command } from 'commander';
import { lengthControlledWinRate, type GamedComparison } from '../evaluation/winrate/length-control.ts';
import { winRateOf } from '../evaluation/winrate/win-rate.ts';
import { readAnnotations, readGamed, type Annotation } from '../evaluation/winrate/annotations.ts';
import { InputError } from '../data/errors.ts';
import { percent, percentInterval } from './numbers.ts';
import { readSettings, addSettings, seedSchema } from './settings.ts';
import { jsonOption, summarize } from './step.ts';

interface Flags {
  annotations: string;
  gamed?: string;
  json?: boolean;
}

/** `selm winrate`: the raw and the length-controlled win rate of comparisons that somebody has judged. */
export function winrateCommand(): Command {
  const command = new Command('winrate')
    .description('Win rate of judged comparisons, raw and length-controlled, as AlpacaEval 2 computes them.')
    .requiredOption(
      '--annotations <file>',
      "alpaca_eval's annotations.json, or JSON Lines of {preference, length_baseline, length_model}: 1 prefers the baseline, 2 the model, 0 neither.",
    )
    .option(
      '--gamed <csv>',
      "alpaca_eval's df_gamed.csv, for its official figure: instruction difficulties and gamed baselines.",
    );
  addSettings(command, seedSchema, ['seed']);
  return command.addOption(jsonOption()).action(async (flags: Flags & Record<string, unknown>) => {
    const { seed } = readSettings(seedSchema, flags, ['seed']);
    const given = await readAnnotations(flags.annotations);
    const { annotations, gamed } =
      flags.gamed === undefined ? { annotations: given } : await withGamed(given, flags.gamed);
    const outcomes = annotations.flatMap(({ outcome }) => outcome ?? []);
    const raw = winRateOf(outcomes, seed);
    const lengthControlled = lengthControlledWinRate(annotations, seed, gamed);
    const controlled = lengthControlled
      ? `; length-controlled ${percent(lengthControlled.winRate)} ${percentInterval(lengthControlled.interval)}`
      : '';
    summarize(
      flags,
      {
        comparisons: annotations.length,
        judged: outcomes.length,
        ...raw,
        ...(lengthControlled && { lengthControlled }),
      },
      `win rate ${percent(raw.winRate)} ${percentInterval(raw.interval)}${raw.standardError === undefined ? '' : `, standard error ${percent(raw.standardError)}`}${controlled}, over ${outcomes.length} judged comparisons (${raw.wins} wins, ${raw.ties} ties, ${raw.losses} losses).`,
    );
  });
}

/** The annotations with their difficulties by place, and the gamed baselines' comparisons. */
async function withGamed(given: Annotation[], path: string) {
  const rows = await readGamed(path);
  const difficulties = new Map(rows.map(({ index, instruction_difficulty }) => [index, instruction_difficulty]));
  const annotations = given.map((annotation, i) => {
    const difficulty = difficulties.get(i);
    if (difficulty !== undefined) return { ...annotation, difficulty };
    throw new InputError(`${path} has no index ${i}; it must know every instruction that the annotations are about.`);
  });
  const gamed: GamedComparison[] = rows.map((row) => ({
    outcome: row.preference,
    standardizedDifference: row.std_delta_len,
    difficulty: row.instruction_difficulty,
  }));
  return { annotations, gamed };
}
