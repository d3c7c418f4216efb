/** What README says of the study: the real model's results, and which objective to take. */
import { plotOf } from './plots.ts';
import { isByPrompt, type StudyResults } from './results.ts';
import { ifbenchVerdict } from './unseen-section.ts';
import { gains, verdict } from './verdict.ts';

/** README with what the results say. */
export const withResults = (readme: string, all: StudyResults[]): string =>
  filled(
    filled(readme, 'study', ` ${verdict(all)} `),
    'real model',
    `\n\n${all.filter(isByPrompt).map(realModel).join('\n\n')}\n\n`,
  );

/** README with this text between the comments of a name. */
const filled = (readme: string, name: string, text: string) =>
  readme.replace(
    new RegExp(`(<!-- ${name} -->)[^]*?(<!-- end of ${name} -->)`),
    (_, begin: string, end: string) => begin + text + end,
  );

function realModel(results: StudyResults): string {
  const { task, runs, settings } = results;
  const plot = plotOf(task, 'rounds');
  const seeds = new Set(runs.map(({ seed }) => seed)).size;
  const ifbench = ifbenchVerdict(results);
  const further = ifbench && ` ${ifbench} Its instructions are of other kinds than those of training.`;
  return `![Strict pass rate by round, with SELM, DPO and of the start policy](docs/${plot})

SmolLM2-135M-Instruct on all ${settings.heldOut} prompts of IFEval, which training never sees, after ${settings.rounds} rounds of
${settings.promptsPerRound} prompts with a program as the only labeler: ${gains(results)} ${seeds === 1 ? 'One seed' : `Means of ${seeds} seeds`}, 95 % intervals
over prompts; made by \`npm run study -- --task ${task} --seeds ${seeds} --rounds ${settings.rounds}\` ([docs/study.md](docs/study.md)).${further}`;
}
