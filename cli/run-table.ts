/** What a run came to, as a table: the start, then a row a round. */
import Table from 'cli-table3';
import type { AnswerSummary, Comparison } from '../activities/evaluate.ts';
import type { RoundResult, RunStatus } from '../workflows/status.ts';

const HEAD = ['', 'preferences', 'strict pass', 'mean score', 'win rate over start', 'tokens', 'KL', ''];

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** @returns the lines of the table; what is not known yet is left out */
export function runTable({ start, results }: RunStatus): string {
  const table = new Table({ head: HEAD, style: { head: [], border: [], compact: true }, colAligns: HEAD.map(() => 'right') }); // prettier-ignore
  if (start) table.push(['start', '', ...scores(start), '', start.meanTokens.toFixed(1), '', '']);
  for (const result of results) table.push(roundRow(result));
  return table.toString();
}

function roundRow({ round, label, evaluation, accepted }: RoundResult): string[] {
  return [
    `round ${round}`,
    preferences(label),
    ...scores(evaluation),
    winRate(evaluation),
    evaluation.meanTokens.toFixed(1),
    evaluation.against!.kl.toFixed(2),
    accepted ? 'accepted' : 'rolled back',
  ];
}

/** How many there are, and how many answers the labeler gave no judgement on, where it did not judge all. */
const preferences = ({ preferences: count, unjudged }: RoundResult['label']) =>
  unjudged ? `${count} (${unjudged} unjudged)` : String(count);

/** Strict pass rate and mean score, as cells. */
export const scores = ({ strictPassRate, meanScore }: AnswerSummary) => [
  strictPassRate === undefined ? '' : percent(strictPassRate),
  meanScore.toFixed(3),
];

/** Win rate over the start with its 95 % interval, as a cell. */
export function winRate({ against }: Comparison): string {
  const { winRate: rate, winRateInterval } = against!;
  return `${percent(rate)} [${(100 * winRateInterval.low).toFixed(1)}, ${(100 * winRateInterval.high).toFixed(1)}]`;
}
