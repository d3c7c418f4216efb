/** The gate: decides whether a round is accepted or rolled back. */
import type { Comparison } from '../evaluation/comparison.ts';
import type { RunConfig } from '../config/run.ts';
import { percent } from '../data/numbers.ts';

export interface Verdict {
  /** A sentence for every limit that the round exceeds. If there is none, the round is accepted. */
  reasons: string[];
  /** Warnings, which do not affect the decision. */
  warnings: string[];
}

/**
 * Decides about a round.
 * @param overPrevious the comparison with the reference policy's held-out responses, scored by the labeler
 * @param second the same comparison, scored by the second labeler
 */
export function decideRound(
  { label, evaluate: { gate, secondJudge } }: Pick<RunConfig, 'label' | 'evaluate'>,
  overPrevious: Comparison,
  second: Comparison | undefined,
): Verdict {
  const { minWinRate, maxKl, maxLengthGrowth, minSecondJudgeWinRate } = gate;
  const { winRate, opponent } = overPrevious.against!;
  const { kl, from } = decisiveKl(overPrevious);
  const growth = overPrevious.meanTokens / opponent.meanTokens!;
  const reasons: string[] = [];
  if (minWinRate !== undefined && winRate < minWinRate) {
    reasons.push(
      `Its win rate over the policy it started from is ${percent(winRate)}, below minWinRate of ${percent(minWinRate)}.`,
    );
  }
  if (maxKl !== undefined && kl > maxKl) {
    reasons.push(
      `Its KL from the policy it started from is ${kl.toFixed(2)} nats per ${from} response, above maxKl of ${maxKl}.`,
    );
  }
  if (maxLengthGrowth !== undefined && growth > maxLengthGrowth) {
    reasons.push(
      `Its responses are ${growth.toFixed(2)} times as long as those of the policy it started from ` +
        `(${overPrevious.meanTokens.toFixed(1)} tokens, ${opponent.meanTokens!.toFixed(1)} before), ` +
        `above maxLengthGrowth of ${maxLengthGrowth}.`,
    );
  }
  const secondRate = second?.against!.winRate;
  if (minSecondJudgeWinRate !== undefined && secondRate !== undefined && secondRate < minSecondJudgeWinRate) {
    reasons.push(
      `By the second judge (${secondJudge!.by}) its win rate over the policy it started from is ` +
        `${percent(secondRate)}, below minSecondJudgeWinRate of ${percent(minSecondJudgeWinRate)}.`,
    );
  }
  const gain = gainOf(overPrevious);
  const warnings = [
    ...unjudgedNote(overPrevious, `the labeler (${label.by})`),
    ...(second ? unjudgedNote(second, `the second judge (${secondJudge!.by})`) : []),
    ...(second && gain > 0 && gainOf(second) <= 0
      ? [
          `the score of the labeler (${label.by}) rose by ${gain.toFixed(3)}, ` +
            `that of the second judge (${secondJudge!.by}), which training never sees, ` +
            `changed by ${gainOf(second).toFixed(3)}: the policy may be exploiting the labeler (reward hacking).`,
        ]
      : []),
  ];
  return { reasons, warnings };
}

/** The KL estimate from sampled responses if there are any, because greedy responses are not samples of the policy. */
function decisiveKl({ against }: Comparison): { kl: number; from: 'sampled' | 'greedy' } {
  const { kl, klSampled } = against!;
  return klSampled ? { kl: klSampled.kl, from: 'sampled' } : { kl: kl!, from: 'greedy' };
}

const gainOf = ({ meanScore, against }: Comparison) => against!.meanGain ?? meanScore - against!.opponent.meanScore;

/** A warning if prompts are not compared. */
const unjudgedNote = ({ prompts, against }: Comparison, who: string): string[] =>
  against!.unjudged
    ? [
        `${who} did not score both responses to ${against!.unjudged} of ${prompts} held-out prompts, which its win rate leaves out.`,
      ]
    : [];
