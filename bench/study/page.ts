/** The study as a page: every figure, and every sentence about figures, is of the results. */
import { BASELINE, BETA, METHODS } from './methods.ts';
import { PLOTS } from './plots.ts';
import { differenceOf, meanOf, type Figure, type StudyResults } from './results.ts';
import type { Estimate } from './statistics.ts';

const others = METHODS.filter(({ name }) => name !== BASELINE);

export function describe(results: StudyResults): string {
  const { settings, runs } = results;
  const rounds = Array.from({ length: settings.rounds }, (_, i) => i + 1);
  const planned = METHODS.length * settings.seeds;
  const covered = runs.length === planned ? `all ${planned} runs` : `${runs.length} of ${planned} runs`;
  return `# Does the optimism help?

Written by \`npm run study\`: ${covered} (${METHODS.length} methods, ${settings.seeds} seeds), ${settings.rounds} rounds each, on the [quickstart](../examples/quickstart)'s task. The numbers are in
[study.json](study.json); ${settings.engine}, ${settings.threads === 1 ? 'one thread' : `${settings.threads} threads`} a run.

## What is compared

All methods minimize one loss and differ in its last term, the optimism. With s(y) = log π(y) − log π_ref(y) and β = ${BETA},

−log σ(β (s(chosen) − s(rejected))) + α β s(y)

| | α | y is an answer of |
| --- | ---: | --- |
${METHODS.map(({ name, alpha, answerOf }) => `| ${name} | ${weight(alpha)} | ${answerOf} |`).join('\n')}

- **dpo** is iterative DPO: no such term.
- **selm** (arXiv 2405.19332) asks the policy that the round starts from. The quickstart's own α, 0.001, is the paper's for Zephyr-7B; these are larger, so that there
  is an effect to see.
- **xpo** (arXiv 2405.21046) has the term α_XPO log π(y), whose gradient is that of α β s(y) with α = α_XPO / β. Its y is the first policy's. Its weight
  here is TRL's default, α_XPO = ${weight(METHODS.find(({ name }) => name === 'xpo')!.alpha * BETA)}, so small that xpo can hardly differ from dpo: how far the two come to lie apart is what chance does.
- **vpo** (arXiv 2405.19320), online, has SELM's loss with y from a calibration policy that stays what it is: here the first policy. Its weight is the larger
  one of selm, so that the two differ in nothing but y. In the first round they are the same method.

All else is the same for all: the model, the prompts of each round (${settings.promptsPerRound}: all that the quickstart has, in equal parts${settings.rounds > 3 ? ', smaller than those of its three rounds' : ''}), four answers a prompt at temperature 1 from the policy that the
round starts from, the best and the worst of them by the verifier as chosen and rejected, that policy as π_ref, one epoch with the quickstart's
optimizer settings, no gate: each round goes on from the one before. (In the papers of XPO and VPO π_ref is the first policy throughout, and a
round trains on the preferences of all rounds so far; the SELM paper's answers are greedy, and its data set's own answers are candidates, too.)
The policy after each round answers ${settings.heldOut} held-out prompts greedily, of which no training prompt asks the same.

## Results

Intervals are 95 % intervals of the mean over seeds by Student's t. A difference is to ${BASELINE}'s run of the same seed, which has had the same prompts and, in the
first round, the same answers. The intervals are not corrected for how many there are.

![Strict pass rate by round](${PLOTS.strict})

Strict pass rate (%), all constraints of the prompt kept${startOf(results)}:

${table(rounds, (name, round) => cell(meanOf(results, name, round, 'strictPassRate'), percent), METHODS)}

![Difference to ${BASELINE} by round](${PLOTS.difference})

Strict pass rate less that of ${BASELINE}, in percentage points; **bold** where the interval leaves out 0:

${table(rounds, (name, round) => difference(differenceOf(results, name, round, 'strictPassRate'), percent), others)}

After round ${settings.rounds}:

| | runs | ${FIGURES.map(({ title }) => title).join(' | ')} |
| --- | ---: | ${FIGURES.map(() => '---:').join(' | ')} |
${METHODS.map(({ name }) => `| ${[name, runs.filter(({ method }) => method === name).length, ...FIGURES.map(({ figure, show }) => cell(meanOf(results, name, settings.rounds, figure), show))].join(' | ')} |`).join('\n')}

The win rate is over the start policy's answers, KL from the start policy in nats per answer, at the greedy answers (before selm 0.4 their log-ratio, which is no divergence); preferences are those that the last round has trained on.

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

/** When a method was at its best, and how it compares with the baseline. */
function reading(results: StudyResults, name: string, rounds: number[]): string[] {
  const means = rounds.flatMap((round) => {
    const estimated = meanOf(results, name, round, 'strictPassRate');
    return estimated ? [{ round, mean: estimated.mean }] : [];
  });
  if (means.length === 0) return [];
  const best = means.reduce((a, b) => (b.mean > a.mean ? b : a));
  const verdict = name === BASELINE ? '' : `; ${comparison(results, name, rounds)}`;
  return [`- **${name}** is at its best after round ${best.round} (${percent(best.mean)} %)${verdict}.`];
}

function comparison(results: StudyResults, name: string, rounds: number[]): string {
  const estimates = rounds.flatMap((round) => {
    const estimated = differenceOf(results, name, round, 'strictPassRate');
    return estimated?.interval ? [{ round, estimated }] : [];
  });
  if (estimates.length === 0) return 'too few runs to compare';
  const clear = estimates.filter(({ estimated }) => isClear(estimated));
  if (clear.length === 0) return `it cannot be told from ${BASELINE} after any round`;
  const side = (word: string, sign: number) => {
    const of = clear.filter(({ estimated }) => Math.sign(estimated.mean) === sign).map(({ round }) => round);
    return of.length > 0 ? [`${word} ${BASELINE} after round ${of.join(', ')}`] : [];
  };
  const rest = clear.length < rounds.length ? ', and cannot be told from it after the others' : '';
  return `it is ${[...side('above', 1), ...side('below', -1)].join(' and ')}${rest}`;
}

/** What difference the study could have seen. */
function resolution(results: StudyResults, round: number): string {
  const halves = others.flatMap(({ name }) => {
    const interval = differenceOf(results, name, round, 'strictPassRate')?.interval;
    return interval ? [(interval.high - interval.low) / 2] : [];
  });
  if (halves.length === 0) return '';
  return `After round ${round} the intervals of the differences reach ${percent(Math.min(...halves))} to ${percent(Math.max(...halves))} points to either side: smaller ones are not seen with so few seeds.`;
}

const failures = ({ runs }: StudyResults): string[] =>
  runs.flatMap(({ method, seed, failed }) =>
    failed === undefined ? [] : [`- ${method}, seed ${seed}, ended early: ${failed}`],
  );
