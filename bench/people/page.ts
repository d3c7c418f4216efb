/** Writes the page docs/people-strategies.md. All figures, and all sentences about them, come from the results. */
import { STRATEGIES } from '../../labelers/people/settings.ts';
import { markdownTable } from '../markdown.ts';
import { BETA } from '../study/methods.ts';
import { differenceOf, meanOf, type Figure } from '../study/results.ts';
import { failures, reading, resolution } from '../study/sentences.ts';
import { cell, difference, fixed, percent, roundTable } from '../study/tables.ts';
import { PLOTS } from './plots.ts';
import { BASELINE, type BenchResults } from './results.ts';

const FIGURES: { title: string; figure: Figure; show: (value: number) => string }[] = [
  { title: 'mean score', figure: 'meanScore', show: fixed(3) },
  { title: 'win rate, %', figure: 'winRate', show: percent },
  { title: 'KL', figure: 'kl', show: fixed(2) },
  { title: 'preferences of the last round', figure: 'preferences', show: fixed(0) },
];

/** Formats the results as Markdown. */
export function describe(results: BenchResults): string {
  const { settings, runs } = results;
  const rounds = Array.from({ length: settings.rounds }, (_, i) => i + 1);
  const names = STRATEGIES.filter((name) => runs.some(({ method }) => method === name));
  const others = names.filter((name) => name !== BASELINE);
  const seeds = new Set(runs.map(({ seed }) => seed)).size;
  const start = runs.length > 0 ? `; the start policy's is ${percent(runs[0].start.strictPassRate)}` : '';
  return `# Strategies: which responses people are asked about

Written by \`npm run bench:people\`: ${runs.length} runs (${names.length} strategies, ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}), ${settings.rounds} rounds each, on the [quickstart](../examples/quickstart)'s task. The
numbers are in [bench/people/results.json](../bench/people/results.json); ${settings.engine}.

\`label.strategy\` selects the pairs of responses about which a round asks people. This page compares the strategies at equal votes.

## Strategies

Of each prompt, at most one pair is asked. r(y) = β log(π(y | x) / π_start(y | x)) is the implicit reward of a response under the round's policy π, relative to the run's start
policy; σ is the logistic function.

| Strategy | Selects | Source |
| --- | --- | --- |
| \`random\` | prompts and pairs uniformly at random | |
| \`margin\` | the smallest \\|σ(r(y1) − r(y2)) − 1/2\\|: what the policy is least certain about | Lewis and Gale, 1994 |
| \`gap\` | the largest \\|r(y1) − r(y2)\\|: the largest predicted difference | as DeltaUCB, arXiv 2603.09692 |
| \`d-optimal\` | greedily, the largest log det(γ I + Σ σ'(r(y1) − r(y2)) z zᵀ), z = φ(x, y1) − φ(x, y2), φ the last hidden state | arXiv 2503.01076 |

In the first round, the policy is the start policy and all r(y) are 0: then \`margin\` and \`gap\` select at random, as \`random\` with the same seed, and \`d-optimal\` by the features alone.

## Setup

- The model is the quickstart's, and DPO with β = ${BETA} trains it. A round has ${settings.promptsPerRound} prompts with four responses each, sampled at temperature 1, and ${settings.votes} votes on as many pairs (no overlap,
  and \`randomShare: 0\`, so that the strategies show their own effect). It trains for ${settings.epochs} epochs on the preferences that the votes give. There is no gate.
- The voter is simulated. The task's verifier decides: the response that follows more of the instruction's constraints is better, and with probability ${settings.noise} the vote is the
  other way round. If both follow equally many, the vote is a tie, or both are bad, and gives no preference. A strategy that asks about such pairs wastes votes.
- After each round, the policy answers ${settings.heldOut} held-out prompts greedily. No training prompt asks for the same as a held-out prompt.

A simulated voter is not a person: its errors are independent of the question, and it never tires.

## Results

Intervals are 95 % intervals of the mean over seeds by Student's t. Differences are relative to ${BASELINE}'s run with the same seed, which has the same prompts and, in the first round, the
same responses. The intervals are not corrected for multiple comparisons.

![Strict pass rate by round](${PLOTS.strict})

Strict pass rate (%): responses that satisfy all constraints of the prompt${start}:

${roundTable(rounds, (name, round) => cell(meanOf(results, name, round, 'strictPassRate'), percent), names)}

![Difference to ${BASELINE} by round](${PLOTS.difference})

Strict pass rate minus that of ${BASELINE}, in percentage points; **bold** if the interval excludes 0:

${roundTable(rounds, (name, round) => difference(differenceOf(results, name, round, 'strictPassRate', BASELINE), percent), others)}

Preferences from ${settings.votes} votes:

${roundTable(rounds, (name, round) => cell(meanOf(results, name, round, 'preferences'), fixed(0)), names)}

After round ${settings.rounds}:

${markdownTable(
  ['', 'runs', ...FIGURES.map(({ title }) => title)],
  names.map((name) => [
    name,
    runs.filter(({ method }) => method === name).length,
    ...FIGURES.map(({ figure, show }) => cell(meanOf(results, name, settings.rounds, figure), show)),
  ]),
)}

The win rate is over the start policy's responses. KL is measured from the start policy, in nats per response, along the greedy responses.

${[...names.flatMap((name) => reading(results, name, rounds, BASELINE)), ...failures(results)].join('\n')}

${resolution(results, settings.rounds, others, BASELINE)}
`;
}
