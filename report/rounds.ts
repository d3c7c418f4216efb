/** What a run came to, as the cells of a table: the start, then a row a round. */
import type { AnswerSummary, Comparison } from '../activities/evaluate.ts';
import { adviceOn } from '../labelers/judge/advice.ts';
import type { RoundResult, RunStatus } from '../workflows/status.ts';

export const HEAD = ['', 'preferences', 'strict pass', 'mean score', 'win rate over start', 'tokens', 'KL', ''];

export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** @returns the rows of the table; what is not known yet is left out */
export const roundRows = ({ start, results }: Pick<RunStatus, 'start' | 'results'>): string[][] => [
  ...(start ? [['start', '', ...scores(start), '', start.meanTokens.toFixed(1), '', '']] : []),
  ...results.map(roundRow),
];

function roundRow({ round, label, evaluation, accepted }: RoundResult): string[] {
  return [
    `round ${round}`,
    preferences(label),
    ...scores(evaluation),
    winRate(evaluation),
    evaluation.meanTokens.toFixed(1),
    evaluation.against!.kl!.toFixed(2),
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

/** What is to be known of the rounds beside their numbers: why one was rolled back, and what to be wary of. */
export const roundNotes = ({ results }: RunStatus): string[] =>
  results.flatMap(({ round, label, accepted, reasons, warnings }) => [
    ...(accepted ? [] : [`Round ${round} was rolled back: ${reasons.join(' ')}`]),
    ...[...warnings, ...adviceOn(label.counts ?? {})].map((warning) => `Round ${round}: ${warning}`),
  ]);
