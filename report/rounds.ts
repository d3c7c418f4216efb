/** The results of a run as table rows: one for the start policy, and one per round. */
import { counted } from '../data/counted.ts';
import type { AnswerSummary, Comparison } from '../evaluation/comparison.ts';
import type { DroppedPrompts } from '../activities/prompts/request.ts';
import { percent, percentInterval } from '../data/numbers.ts';
import { ignoredNotes } from '../activities/prompts/ignored.ts';
import { sharedNotes } from '../activities/prompts/shared.ts';
import { describeDroppedPrompts } from '../activities/prompts/portions.ts';
import { adviceOnCounts } from '../labelers/advice.ts';
import type { RoundResult, RunStatus } from '../workflows/status.ts';

/** The headings of the table of results. */
export const HEAD = ['', 'preferences', 'strict pass', 'mean score', 'win rate over start', 'tokens', 'KL', ''];

/** The rows of the table of results, as far as they are known. */
export const roundRows = ({ start, results }: Pick<RunStatus, 'start' | 'results'>): string[][] => [
  ...(start ? [['start', '', ...scores(start), '', start.meanTokens.toFixed(1), '', '']] : []),
  ...results.map(roundRow),
];

/** The gate's decision on a round, as text. */
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

/** The number of preferences, and the numbers of unscored and truncated responses if they are not zero. */
function preferences({ preferences: count, unjudged, truncated }: RoundResult['label']): string {
  const remarks = [unjudged && `${unjudged} without a score`, truncated && `${truncated} truncated`].filter(Boolean);
  return remarks.length > 0 ? `${count} (${remarks.join(', ')})` : String(count);
}

/** The table cells with the strict pass rate and the mean score. */
export const scores = ({ strictPassRate, meanScore }: AnswerSummary) => [
  strictPassRate === undefined ? '' : percent(strictPassRate),
  meanScore.toFixed(3),
];

/** The table cell with the win rate over the start policy, its 95 % interval, and the number of prompts that it leaves out. */
export function winRate({ against }: Comparison): string {
  const { winRate: rate, winRateInterval, unjudged } = against!;
  return `${percent(rate)} ${percentInterval(winRateInterval)}${unjudged ? ` (${unjudged} without a score)` : ''}`;
}

/** The table cell with the KL along greedy responses, and along sampled responses if there are some. */
export function kl({ against }: Comparison): string {
  const { kl: greedy, klSampled } = against!;
  return klSampled ? `${greedy!.toFixed(2)} (${klSampled.kl.toFixed(2)} sampled)` : greedy!.toFixed(2);
}

/**
 * Messages about the rounds and their policy: dropped prompts, a changed labeler, reasons for rollbacks, warnings, and an output that was
 * not written.
 */
export const roundNotes = (
  status: Pick<RunStatus, 'dropped' | 'start' | 'changes' | 'results' | 'publication' | 'lateVotes'>,
): string[] => [
  ...(status.dropped ? droppedNotes(status.dropped) : []),
  ...relabeledNotes(status),
  ...(status.lateVotes
    ? [
        `${counted(status.lateVotes, 'vote')} came when their round had its votes: ` +
          `the next round uses ${status.lateVotes === 1 ? 'it' : 'them'}.`,
      ]
    : []),
  ...status.results.flatMap(({ round, label, accepted, reasons, warnings }) => [
    ...(accepted ? [] : [`Round ${round} was rolled back: ${reasons.join(' ')}`]),
    ...[...warnings, ...adviceOnCounts(label.counts ?? {})].map((warning) => `Round ${round}: ${warning}`),
  ]),
  ...(status.publication === undefined ? [] : [status.publication]),
];

/** A message if a retry changed the labeler after it had scored the start policy: the start's row is then not comparable with later ones. */
function relabeledNotes({ start, changes = [], results }: Pick<RunStatus, 'start' | 'changes' | 'results'>): string[] {
  const change = changes.find(({ settings }) =>
    Object.keys(settings).some((key) => /^(label|evaluate\.labeler)(\.|$)/.test(key)),
  );
  const first = change && results.find(({ round }) => round >= change.from);
  const score = first?.evaluation.against?.opponent.meanScore;
  if (!start || score === undefined || score === start.meanScore) return [];
  return [
    `Round ${first!.round}: the settings of label were changed after the start policy was measured; ` +
      `with the new settings, its mean score is ${score.toFixed(3)}.`,
  ];
}

/**
 * A message for each file with dropped prompts, each part of prompts that the chat template ignores, and each benchmark that has training
 * prompts.
 */
export function droppedNotes({ train, heldOut, ofBenchmarks, ...ignored }: DroppedPrompts): string[] {
  const [ofTrain, ofHeldOut] = [describeDroppedPrompts(train), describeDroppedPrompts(heldOut)];
  return [
    ...(ofTrain ? [`Dropped training prompts: ${ofTrain}.`] : []),
    ...(ofHeldOut ? [`Dropped held-out prompts: ${ofHeldOut}.`] : []),
    ...ignoredNotes(ignored, 'prompt'),
    ...sharedNotes(ofBenchmarks),
  ];
}
