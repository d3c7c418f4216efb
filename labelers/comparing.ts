/** What labelers that compare responses with each other have in common. */
import type { Labeler } from './labeler.ts';

/** Whether a labeler, which is not `combine`, only compares responses with each other. */
export const compares = ({ by, mode }: { by: string; mode?: unknown }): boolean =>
  by === 'pairrm' || (by === 'judge' && mode === 'pairwise');

/**
 * Only lets the labeler compare. A response to which there is no other one has the score 0.5, because it neither wins nor loses.
 * @param labeler of a kind whose scores are only comparable within a call
 */
export const comparing = (labeler: Labeler): Labeler => ({
  ...labeler,
  async judge(prompts, options) {
    const compared = prompts.filter(({ answers }) => answers.length > 1);
    const { verdicts, ...rest } = await labeler.judge(compared, options);
    let next = 0;
    return {
      verdicts: prompts.map(({ answers }) =>
        answers.length > 1 ? verdicts[next++] : answers.map(() => ({ score: 0.5 })),
      ),
      ...rest,
    };
  },
});
