/** The figures of a report. */
import { mean } from '../data/numbers.ts';
import type { RunStatus } from '../workflows/status.ts';
import type { RoundArtifacts } from './artifacts.ts';
import { barChart, lineChart, pathChart, type Line } from './charts.ts';
import { html, type Html } from './html.ts';

/** Maximum points of a curve. A longer curve is reduced to the means of this number of segments. */
const POINTS = 400;
const BINS = 10;
/** Maximum distributions in one figure. More would be hard to distinguish. */
const DISTRIBUTIONS = 5;

/** Figures of the evaluations and of the training of all rounds. */
export function figures(status: RunStatus, rounds: RoundArtifacts[]): Html {
  const pictures = [winRates, scores, distribution, klAgainstScore, lengths].map((draw) => draw(status, rounds));
  const all = [...pictures, ...curves(rounds)].filter((figure) => figure !== undefined);
  return html`<div class="figures">
    ${all.map(
      ({ title, picture }) =>
        html`<figure>
          <figcaption>${title}</figcaption>
          ${picture}
        </figure> `,
    )}
  </div>`;
}

interface Figure {
  title: string;
  picture: Html;
}

const figure = (title: string, picture: (title: string) => Html): Figure => ({ title, picture: picture(title) });

const stages = ({ start, results }: RunStatus) => [
  ...(start ? [{ name: 'start', ...start }] : []),
  ...results.map(({ round, evaluation }) => ({ name: `round ${round}`, ...evaluation })),
];

const axisOf = (status: RunStatus) => ({ name: '', categories: stages(status).map(({ name }) => name) });

const inPercent = (share: number) => 100 * share;

function winRates(status: RunStatus): Figure | undefined {
  const { results } = status;
  if (results.length === 0) return undefined;
  const points = results.map(({ round, evaluation: { against } }) => ({ x: `round ${round}`, ...against! }));
  const lines: Line[] = [
    {
      name: 'over the start',
      points: points.map(({ x, winRate }) => [x, inPercent(winRate)]),
      intervals: points.map(({ x, winRateInterval: { low, high } }) => ({
        x,
        low: inPercent(low),
        high: inPercent(high),
      })),
    },
    {
      name: 'over the policy before',
      points: results.map(({ round, winRateOverPrevious }) => [`round ${round}`, inPercent(winRateOverPrevious)]),
    },
  ];
  const second = results.flatMap(({ round, secondJudge }) =>
    secondJudge ? [[`round ${round}`, inPercent(secondJudge.evaluation.against!.winRate)] as [string, number]] : [],
  );
  if (second.length > 0) lines.push({ name: 'by the second judge', points: second });
  const x = { name: '', categories: points.map((point) => point.x) };
  return figure('Win rate (%), 95 % intervals', (title) => lineChart(title, x, { name: '%', min: 0, max: 100 }, lines));
}

function scores(status: RunStatus): Figure | undefined {
  const all = stages(status);
  const scored: Line = { name: 'mean score', points: all.map(({ name, meanScore }) => [name, meanScore]) };
  const strict = all.flatMap(({ name, strictPassRate }) =>
    strictPassRate === undefined ? [] : [[name, strictPassRate] as [string, number]],
  );
  const lines = strict.length > 0 ? [scored, { name: 'strict pass rate', points: strict }] : [scored];
  return all.length < 2
    ? undefined
    : figure('Score of the held-out responses', (title) => lineChart(title, axisOf(status), { name: 'score' }, lines));
}

/** The distributions of the held-out responses' scores for the start policy and some rounds. */
function distribution(_: RunStatus, rounds: RoundArtifacts[]): Figure | undefined {
  if (rounds.length === 0) return undefined;
  const start = rounds[0].answers.flatMap(({ opponentScore }) => opponentScore ?? []);
  const spread = spreadOut(rounds, DISTRIBUTIONS - 1).map(({ round, answers }) => ({
    name: `round ${round}`,
    values: answers.flatMap(({ score }) => score ?? []),
  }));
  const all = [{ name: 'start', values: start }, ...spread];
  const values = all.flatMap((one) => one.values);
  const [low, high] = [
    values.reduce((a, b) => Math.min(a, b), Infinity),
    values.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
  const width = (high - low) / BINS || 1;
  const bin = (value: number) => Math.min(BINS - 1, Math.floor((value - low) / width));
  const share = (of: number[]) =>
    Array.from({ length: BINS }, (_, i) => (100 * of.filter((value) => bin(value) === i).length) / of.length);
  const categories = Array.from({ length: BINS }, (_, i) => (low + (i + 0.5) * width).toFixed(2));
  return figure('Distribution of the scores (% of responses)', (title) =>
    barChart(
      title,
      { name: 'score', categories },
      { name: '% of responses', min: 0 },
      all.map(({ name, values }) => ({ name, values: share(values) })),
    ),
  );
}

function klAgainstScore(status: RunStatus): Figure | undefined {
  // All points use the same measure: the estimate from sampled responses if every round has one.
  const isSampled = stages(status).every(({ against }) => !against || against.klSampled);
  const points = stages(status).map(({ name, meanScore, against }): { name: string; at: [number, number] } => ({
    name,
    at: [(isSampled ? against?.klSampled?.kl : against?.kl) ?? 0, meanScore],
  }));
  return points.length < 2
    ? undefined
    : figure('Score against distance from the start', (title) =>
        pathChart(
          title,
          { name: `KL from the start (nats per ${isSampled ? 'sampled' : 'greedy'} response)` },
          { name: 'mean score' },
          points,
        ),
      );
}

function lengths(status: RunStatus): Figure | undefined {
  const points = stages(status).map(({ name, meanTokens }): [string, number] => [name, meanTokens]);
  return points.length < 2
    ? undefined
    : figure('Length of the responses (tokens)', (title) =>
        lineChart(title, axisOf(status), { name: 'tokens', min: 0 }, [{ name: 'mean', points }]),
      );
}

const CURVES = [
  { metric: 'loss', title: 'Training loss' },
  { metric: 'rewards/accuracies', title: 'Reward accuracy' },
  { metric: 'rewards/margins', title: 'Reward margin' },
  { metric: 'grad_norm', title: 'Gradient norm' },
];

/** Training curves: the rounds one after the other, with one line per round. */
function curves(rounds: RoundArtifacts[]): Figure[] {
  return CURVES.filter(({ metric }) => rounds.some(({ training }) => training.some((row) => metric in row))).map(
    ({ metric, title }) => {
      let steps = 0;
      const lines = rounds.map(({ round, training }): Line => {
        const points = training.map((row): [number, number] => [++steps, row[metric]]);
        return { name: `round ${round}`, points: thin(points, Math.ceil(POINTS / rounds.length)) };
      });
      return figure(title, (title) => lineChart(title, { name: 'optimizer step', min: 0 }, { name: '' }, lines));
    },
  );
}

/** The means of at most `most` segments of a curve. */
function thin(points: [number, number][], most: number): [number, number][] {
  const stretch = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / stretch) }, (_, i) => {
    const part = points.slice(i * stretch, (i + 1) * stretch);
    return [mean(part.map(([x]) => x)), mean(part.map(([, y]) => y))];
  });
}

/** At most `most` items, including the first and the last one. */
function spreadOut<T>(items: T[], most: number): T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]);
}
