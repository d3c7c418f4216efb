/** Combines the results of a round's steps into the round's result: the gate's decision, warnings and numbers. */
import type { Comparison } from '../evaluation/comparison.ts';
import type { OptimizeSummary } from '../activities/optimize.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { RunConfig } from '../config/run.ts';
import { fewerVotesNote, notVotedNote } from '../labelers/people/votes-note.ts';
import { decideRound } from './gate.ts';
import type { Voted } from './people/label.ts';
import type { RoundResult } from './status.ts';
import { checkTraining } from './training-verdict.ts';

interface Summarized<Summary> {
  address: Address;
  summary: Summary;
}

interface StepResults {
  config: RunConfig;
  round: number;
  /** Everybody with a vote in an earlier round of the run. */
  earlierVoters?: string[];
  learningRate: number;
  labeled: Summarized<RoundResult['label']> & { voted?: Pick<Voted, 'asked' | 'prompts' | 'voters'> };
  optimized: Summarized<OptimizeSummary>;
  evaluated: {
    againstStart: Summarized<Comparison>;
    overPrevious: Comparison;
    /** With a second judge. */
    bySecond?: { evaluation: Comparison; overPrevious: Comparison };
  };
}

/** The result of a round. The round is accepted if neither the training check nor the gate gives a reason against it. */
export function resultOf(results: StepResults): RoundResult {
  const { config, round, learningRate, labeled, optimized, evaluated } = results;
  const { againstStart, overPrevious, bySecond } = evaluated;
  const verdicts = [
    checkTraining(config.optimize, learningRate, optimized.summary),
    decideRound(config, overPrevious, bySecond?.overPrevious),
  ];
  const reasons = verdicts.flatMap((verdict) => verdict.reasons);
  return {
    round,
    policy: optimized.address,
    accepted: reasons.length === 0,
    reasons,
    warnings: [...verdicts.flatMap(({ warnings }) => warnings), ...votingNotes(results)],
    ...(optimized.summary.unchanged && { unchanged: true }),
    label: labeled.summary,
    training: optimized.summary.metrics,
    evaluation: againstStart.summary,
    winRateOverPrevious: overPrevious.against!.winRate,
    ...(bySecond && {
      secondJudge: {
        evaluation: bySecond.evaluation,
        winRateOverPrevious: bySecond.overPrevious.against!.winRate,
      },
    }),
    artifacts: { preferences: labeled.address, evaluation: againstStart.address },
  };
}

function votingNotes({ config: { label }, labeled: { voted }, earlierVoters = [] }: StepResults): string[] {
  if (label.by !== 'people' || !voted) return [];
  const { asked, prompts, voters } = voted;
  return [
    fewerVotesNote(label.votes, asked, prompts) ?? [],
    (voters && notVotedNote(label.leaveOut, [...voters, ...earlierVoters])) ?? [],
  ].flat();
}
