/** What a policy's implicit reward, r(x, y) = beta (log pi(y | x) - log pi_ref(y | x)), is worth as a reward. */
import type { ScoreResult } from '../engine/protocol/jobs.ts';
import { mean } from './statistics.ts';
import { standardDeviation } from './winrate/win-rate.ts';

/** Scores of the same answers under one policy. */
export interface DiagnosedScores {
  chosen: ScoreResult;
  rejected: ScoreResult;
  /** Answers that nobody has ranked. */
  unseen: ScoreResult;
}

/** Mean and sample standard deviation, the latter of two values or more. */
export interface Scale {
  mean: number;
  sd?: number;
}

export interface Diagnosis {
  preferences: number;
  /** Share of preferences whose chosen answer has the greater reward; a tie is none. */
  accuracy: number;
  chosen: Scale;
  rejected: Scale;
  margin: Scale;
  /** What training has done to the unseen answers' log-probabilities, in nats. Absent where there are none. */
  drift?: {
    answers: number;
    /** The summed change over the summed tokens. */
    perToken: number;
    perAnswer: number;
    /** Share of answers that have become likelier. */
    raised: number;
  };
}

/** Compares scores under a policy with those under its reference policy; at least one preference. */
export function diagnose(policy: DiagnosedScores, reference: DiagnosedScores, beta: number): Diagnosis {
  const changes = (kind: keyof DiagnosedScores) => policy[kind].map(({ logp }, i) => logp - reference[kind][i].logp);
  const [chosen, rejected] = (['chosen', 'rejected'] as const).map((kind) => changes(kind).map((c) => beta * c));
  const margins = chosen.map((reward, i) => reward - rejected[i]);
  const unseen = changes('unseen');
  const tokens = policy.unseen.reduce((total, score) => total + score.tokens, 0);
  return {
    preferences: margins.length,
    accuracy: mean(margins.map((margin) => Number(margin > 0))),
    chosen: scale(chosen),
    rejected: scale(rejected),
    margin: scale(margins),
    ...(unseen.length > 0 && {
      drift: {
        answers: unseen.length,
        perToken: unseen.reduce((total, change) => total + change, 0) / tokens,
        perAnswer: mean(unseen),
        raised: mean(unseen.map((change) => Number(change > 0))),
      },
    }),
  };
}

const scale = (values: number[]): Scale => ({
  mean: mean(values),
  ...(values.length > 1 && { sd: standardDeviation(values) }),
});
