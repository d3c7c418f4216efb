/** Writes the page docs/study.md. All figures, and all sentences about them, come from the results. */
import { BASELINE, BETA, METHODS } from './methods.ts';
import { PLOTS } from './plots.ts';
import { differenceOf, meanOf, type Figure, type StudyResults } from './results.ts';
import type { Estimate } from './statistics.ts';

const others = METHODS.filter(({ name }) => name !== BASELINE);

/** Formats the results as Markdown. */
export function describe(results: StudyResults): string {
  const { settings, runs } = results;
  const rounds = Array.from({ length: settings.rounds }, (_, i) => i + 1);
  const planned = METHODS.length * settings.seeds;
  const covered = runs.length === planned ? `all ${planned} runs` : `${runs.length} of ${planned} runs`;
  return `# Study: effect of the optimism term

Written by \`npm run study\`: ${covered} (${METHODS.length} methods, ${settings.seeds} seeds), ${settings.rounds} rounds each, on the [quickstart](../examples/quickstart)'s task. The numbers are in
[study.json](study.json); ${settings.engine}, ${settings.threads === 1 ? 'one thread' : `${settings.threads} threads`} per run.

## Methods

All methods minimize the same loss and differ in its last term, the optimism term. With s(y) = log π(y) − log π_ref(y) and β = ${BETA},

−log σ(β (s(chosen) − s(rejected))) + α β s(y)

| | α | y is a response of |
| --- | ---: | --- |
${METHODS.map(({ name, alpha, answerOf }) => `| ${name} | ${weight(alpha)} | ${answerOf} |`).join('\n')}

- **dpo** is iterative DPO, without an optimism term.
- **selm** (arXiv 2405.19332) uses responses of the round's reference policy. The quickstart's α, 0.001, is the paper's for Zephyr-7B. The study uses larger
  values, so that an effect can be observed.
- **xpo** (arXiv 2405.21046) has the term α_XPO log π(y), whose gradient is that of α β s(y) with α = α_XPO / β. Its y is a response of the
  start policy. The weight is TRL's default, α_XPO = ${weight(METHODS.find(({ name }) => name === 'xpo')!.alpha * BETA)}. With such a small weight, xpo hardly differs from dpo: the difference between the two shows the effect of chance.
- **vpo** (arXiv 2405.19320), online, has SELM's loss with y from a fixed calibration policy, here the start policy. Its weight is the larger one of
  selm, so the two differ only in y. In the first round they are the same method.

Everything else is the same for all methods: the model, and the prompts of each round (${settings.promptsPerRound}: all prompts of the quickstart, in equal parts${settings.rounds > 3 ? ', smaller than those of its three rounds' : ''}). The reference
policy samples four responses per prompt at temperature 1. The verifier selects the best one as chosen and the worst one as rejected. π_ref is
the reference policy. Training takes one epoch with the quickstart's optimizer settings. There is no gate: each round starts from the policy of
the previous round. (In the papers of XPO and VPO, π_ref is always the start policy, and a round trains on the preferences of all rounds so far.
In the SELM paper, responses are greedy, and the data set's own responses are candidates, too.) After each round, the policy answers
${settings.heldOut} held-out prompts greedily. No training prompt asks for the same as a held-out prompt.

## Results

Intervals are 95 % intervals of the mean over seeds by Student's t. Differences are relative to ${BASELINE}'s run with the same seed, which has the same prompts and,
in the first round, the same responses. The intervals are not corrected for multiple comparisons.

![Strict pass rate by round](${PLOTS.strict})

Strict pass rate (%): responses that satisfy all constraints of the prompt${startOf(results)}:

${table(rounds, (name, round) => cell(meanOf(results, name, round, 'strictPassRate'), percent), METHODS)}

![Difference to ${BASELINE} by round](${PLOTS.difference})

Strict pass rate minus that of ${BASELINE}, in percentage points; **bold** if the interval excludes 0:

${table(rounds, (name, round) => difference(differenceOf(results, name, round, 'strictPassRate'), percent), others)}

After round ${settings.rounds}:

| | runs | ${FIGURES.map(({ title }) => title).join(' | ')} |
| --- | ---: | ${FIGURES.map(() => '---:').join(' | ')} |
${METHODS.map(({ name }) => `| ${[name, runs.filter(({ method }) => method === name).length, ...FIGURES.map(({ figure, show }) => cell(meanOf(results, name, settings.rounds, figure), show))].join(' | ')} |`).join('\n')}

The win rate is over the start policy's responses. KL is measured from the start policy, in nats per response, along the greedy responses (before selm 0.4: their log-ratio, which is not a divergence). Preferences are those that the last round trained on.

${[...METHODS.flatMap(({ name }) => reading(results, name, rounds)), ...failures(results)].join('\n')}

${resolution(results, settings.rounds)}
`;
}

const weight = (alpha: number) =>
  alpha === 0 || alpha >= 1e-3 ? String(alpha) : alpha.toExponential().replace('.0', '');

const percent = (share: number) => (100 * share).toFixed(1);
const fixed = (digits: number) => (value: number) => value.toFixed(digits);

const FIGURES: { title: string; figure: Figure; show: (value: number) => string }[] = [
  { title: 'mean score', figure: 'meanScore', show: fixed(3) },
  { title: 'win rate, %', figure: 'winRate', show: percent },
  { title: 'KL', figure: 'kl', show: fixed(2) },
  { title: 'tokens', figure: 'tokens', show: fixed(2) },
  { title: 'preferences', figure: 'preferences', show: fixed(0) },
];

const startOf = ({ runs }: StudyResults) =>
  runs.length > 0 ? `; the start policy's is ${percent(runs[0].start.strictPassRate)}` : '';

const table = (rounds: number[], show: (name: string, round: number) => string, methods: typeof METHODS) =>
  [
    `| | ${rounds.map((round) => `round ${round}`).join(' | ')} |`,
    `| --- | ${rounds.map(() => '---:').join(' | ')} |`,
    ...methods.map(({ name }) => `| ${[name, ...rounds.map((round) => show(name, round))].join(' | ')} |`),
  ].join('\n');

function cell(estimated: Estimate | undefined, show: (value: number) => string): string {
  if (!estimated) return '';
  const { mean, interval } = estimated;
  return interval ? `${show(mean)} [${show(interval.low)}, ${show(interval.high)}]` : show(mean);
}

function difference(estimated: Estimate | undefined, show: (value: number) => string): string {
  const signed = (value: number) => `${value > 0 ? '+' : ''}${show(value)}`;
  const text = cell(estimated, signed);
  return estimated && isClear(estimated) ? `**${text}**` : text;
}

const isClear = ({ interval }: Estimate) => interval !== undefined && (interval.low > 0 || interval.high < 0);

/** A method's best round, and its comparison with the baseline. */
function reading(results: StudyResults, name: string, rounds: number[]): string[] {
  const means = rounds.flatMap((round) => {
    const estimated = meanOf(results, name, round, 'strictPassRate');
    return estimated ? [{ round, mean: estimated.mean }] : [];
  });
  if (means.length === 0) return [];
  const best = means.reduce((a, b) => (b.mean > a.mean ? b : a));
  const verdict = name === BASELINE ? '' : `; ${comparison(results, name, rounds)}`;
  return [`- **${name}** is best after round ${best.round} (${percent(best.mean)} %)${verdict}.`];
}

function comparison(results: StudyResults, name: string, rounds: number[]): string {
  const estimates = rounds.flatMap((round) => {
    const estimated = differenceOf(results, name, round, 'strictPassRate');
    return estimated?.interval ? [{ round, estimated }] : [];
  });
  if (estimates.length === 0) return 'too few runs to compare';
  const clear = estimates.filter(({ estimated }) => isClear(estimated));
  if (clear.length === 0) return `no round differs significantly from ${BASELINE}`;
  const side = (word: string, sign: number) => {
    const of = clear.filter(({ estimated }) => Math.sign(estimated.mean) === sign).map(({ round }) => round);
    return of.length > 0 ? [`${word} ${BASELINE} after round ${of.join(', ')}`] : [];
  };
  const rest = clear.length < rounds.length ? ', without a significant difference after the others' : '';
  return `it is significantly ${[...side('above', 1), ...side('below', -1)].join(' and ')}${rest}`;
}

/** The smallest difference that the study can detect. */
function resolution(results: StudyResults, round: number): string {
  const halves = others.flatMap(({ name }) => {
    const interval = differenceOf(results, name, round, 'strictPassRate')?.interval;
    return interval ? [(interval.high - interval.low) / 2] : [];
  });
  if (halves.length === 0) return '';
  return `After round ${round} the intervals of the differences reach ${percent(Math.min(...halves))} to ${percent(Math.max(...halves))} points to either side: with this number of seeds, smaller differences cannot be detected.`;
}

const failures = ({ runs }: StudyResults): string[] =>
  runs.flatMap(({ method, seed, failed }) =>
    failed === undefined ? [] : [`- ${method}, seed ${seed}, ended early: ${failed}`],
  );
