/** A run's results as the cells of a table: a row for the start policy, then one for each round. */
import type { AnswerSummary, Comparison } from '../evaluation/comparison.ts';
import type { DroppedPrompts } from '../activities/prompts/check.ts';
import { describeDropped, ignoredToolsNote } from '../activities/prompts/portions.ts';
import { adviceOn } from '../labelers/judge/advice.ts';
import type { RoundResult, RunStatus } from '../workflows/status.ts';

export const HEAD = ['', 'preferences', 'strict pass', 'mean score', 'win rate over start', 'tokens', 'KL', ''];

/** @example percent(0.625) // '62.5 %' */
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** @returns the rows that are known so far */
export const roundRows = ({ start, results }: Pick<RunStatus, 'start' | 'results'>): string[][] => [
  ...(start ? [['start', '', ...scores(start), '', start.meanTokens.toFixed(1), '', '']] : []),
  ...results.map(roundRow),
];

/** Whether the round's policy is accepted, in words. */
export const verdictOf = ({ accepted, unchanged }: RoundResult): string =>
  accepted ? 'accepted' : unchanged ? 'rolled back, unchanged' : 'rolled back';

function roundRow(result: RoundResult): string[] {
  const { round, label, evaluation } = result;
  return [
    `round ${round}`,
    preferences(label),
    ...scores(evaluation),
    winRate(evaluation),
    evaluation.meanTokens.toFixed(1),
    kl(evaluation),
    verdictOf(result),
  ];
}

/** The number of preferences, and how many candidates have no score or were truncated, if any. */
function preferences({ preferences: count, unjudged, truncated }: RoundResult['label']): string {
  const remarks = [unjudged && `${unjudged} without a score`, truncated && `${truncated} truncated`].filter(Boolean);
  return remarks.length > 0 ? `${count} (${remarks.join(', ')})` : String(count);
}

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

/** KL along greedy responses, and along sampled ones if there are some, as a cell. */
export function kl({ against }: Comparison): string {
  const { kl: greedy, klSampled } = against!;
  return klSampled ? `${greedy!.toFixed(2)} (${klSampled.kl.toFixed(2)} sampled)` : greedy!.toFixed(2);
}

/** Sentences about the rounds: dropped prompts, why a round was rolled back, and warnings. */
export const roundNotes = ({ dropped, results }: Pick<RunStatus, 'dropped' | 'results'>): string[] => [
  ...(dropped ? droppedNotes(dropped) : []),
  ...results.flatMap(({ round, label, accepted, reasons, warnings }) => [
    ...(accepted ? [] : [`Round ${round} was rolled back: ${reasons.join(' ')}`]),
    ...[...warnings, ...adviceOn(label.counts ?? {})].map((warning) => `Round ${round}: ${warning}`),
  ]),
];

/** A sentence for each file with dropped prompts, and one if the chat template ignores tools. */
export function droppedNotes({ train, heldOut, ignoredTools = 0 }: DroppedPrompts): string[] {
  const [ofTrain, ofHeldOut] = [describeDropped(train), describeDropped(heldOut)];
  return [
    ...(ofTrain ? [`Dropped training prompts: ${ofTrain}.`] : []),
    ...(ofHeldOut ? [`Dropped held-out prompts: ${ofHeldOut}.`] : []),
    ...ignoredToolsNote(ignoredTools, 'prompts'),
  ];
}
