/** What README says of the study: the real model's results, and which objective to take. */
import { percent } from '../../data/numbers.ts';
import { markdownTable } from '../markdown.ts';
import { plotOf } from './plots.ts';
import { isByPrompt, type Figures, type StudyResults } from './results.ts';
import { ifbenchVerdict } from './unseen-section.ts';
import { gains, verdict } from './verdict.ts';

/** README with what the results say. */
export function withResults(readme: string, all: StudyResults[]): string {
  const real = all.filter(isByPrompt);
  const sections = {
    study: ` ${verdict(all)} `,
    'real model': `\n\n${real.map(realModel).join('\n\n')}\n\n`,
    example: `\n\n${real.map(exampleTable).join('\n\n')}\n\n`,
  };
  return Object.entries(sections).reduce((text, [name, section]) => filled(text, name, section), readme);
}

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

/** The rounds of examples/smollm2-ifeval.yaml: it has this objective and this seed. */
function exampleTable({ runs }: StudyResults): string {
  const run = runs.find(({ method, seed }) => method === 'selm-0.001' && seed === 0);
  if (!run) return 'Its run is missing in the study.';
  return markdownTable(
    ['', 'strict pass', 'mean score', 'tokens', 'preferences', 'win rate over start'],
    [
      ['start', ...figuresOf(run.start), '', ''],
      ...run.rounds.map((round) => [
        `round ${round.round}`,
        ...figuresOf(round),
        String(round.preferences),
        percent(round.winRate),
      ]),
    ],
  );
}

const figuresOf = ({ strictPassRate, meanScore, tokens }: Figures) => [
  percent(strictPassRate),
  meanScore.toFixed(3),
  tokens.toFixed(1),
];
