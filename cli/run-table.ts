/** What a run came to, as a table: the start, then a row a round. */
import Table from 'cli-table3';
import type { AnswerSummary } from '../activities/evaluate.ts';
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
  const { winRate, winRateInterval, kl } = evaluation.against!;
  return [
    `round ${round}`,
    String(label.preferences),
    ...scores(evaluation),
    `${percent(winRate)} [${(100 * winRateInterval.low).toFixed(1)}, ${(100 * winRateInterval.high).toFixed(1)}]`,
    evaluation.meanTokens.toFixed(1),
    kl.toFixed(2),
    accepted ? 'accepted' : 'rolled back',
  ];
}

const scores = ({ strictPassRate, meanScore }: AnswerSummary) => [
  strictPassRate === undefined ? '' : percent(strictPassRate),
  meanScore.toFixed(3),
];
