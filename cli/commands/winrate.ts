import { Command } from 'commander';
import { lengthControlledWinRate, type GamedComparison } from '../../evaluation/winrate/length-control.ts';
import { winRateOf } from '../../evaluation/winrate/win-rate.ts';
import { readAnnotations, readGamed, type Annotation } from '../../evaluation/winrate/annotations.ts';
import { InputError } from '../../data/errors.ts';
import { percent, percentInterval } from '../../data/numbers.ts';
import { seedFlags, type GivenFlags } from '../settings.ts';
import { jsonOption, summarize } from '../step.ts';

interface Flags {
  annotations: string;
  gamed?: string;
  json?: boolean;
}

/** `selm winrate`: compute the raw and the length-controlled win rate of annotated comparisons. */
export function winrateCommand(): Command {
  const command = new Command('winrate')
    .description('Win rate of annotated comparisons, raw and length-controlled, as in AlpacaEval 2.')
    .requiredOption(
      '--annotations <file>',
      "alpaca_eval's annotations.json, or JSON Lines {preference, length_baseline, length_model}, " +
        'where preference is 1 for the baseline, 2 for the model, and 0 for neither.',
    )
    .option(
      '--gamed <csv>',
      "alpaca_eval's df_gamed.csv with instruction difficulties and gamed baselines, which the official win rate uses.",
    );
  seedFlags.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags & GivenFlags) => {
    const { seed } = seedFlags.read(flags);
    const given = await readAnnotations(flags.annotations);
    const { annotations, gamed } =
      flags.gamed === undefined ? { annotations: given } : await withGamed(given, flags.gamed);
    const outcomes = annotations.flatMap(({ outcome }) => outcome ?? []);
    const raw = winRateOf(outcomes, seed);
    const lengthControlled = lengthControlledWinRate(annotations, seed, gamed);
    const controlled = lengthControlled
      ? `; length-controlled ${percent(lengthControlled.winRate)} ${percentInterval(lengthControlled.interval)}`
      : '';
    const error = raw.standardError === undefined ? '' : `, standard error ${percent(raw.standardError)}`;
    summarize(
      flags,
      {
        comparisons: annotations.length,
        judged: outcomes.length,
        ...raw,
        ...(lengthControlled && { lengthControlled }),
      },
      `win rate ${percent(raw.winRate)} ${percentInterval(raw.interval)}${error}${controlled}, ` +
        `over ${outcomes.length} judged comparisons (${raw.wins} wins, ${raw.ties} ties, ${raw.losses} losses).`,
    );
  });
}

/** The annotations, their difficulties by index, and the comparisons with the gamed baselines. */
async function withGamed(given: Annotation[], path: string) {
  const rows = await readGamed(path);
  const difficulties = new Map(rows.map(({ index, instruction_difficulty }) => [index, instruction_difficulty]));
  const annotations = given.map((annotation, i) => {
    const difficulty = difficulties.get(i);
    if (difficulty !== undefined) return { ...annotation, difficulty };
    throw new InputError(`${path} has no index ${i}; it must have every instruction of the annotations.`);
  });
  const gamed: GamedComparison[] = rows.map((row) => ({
    outcome: row.preference,
    standardizedDifference: row.std_delta_len,
    difficulty: row.instruction_difficulty,
  }));
  return { annotations, gamed };
}
