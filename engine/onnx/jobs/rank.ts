/** The jobs of reward models and rankers. */
import type { RankJob, RewardJob, Scores } from '../../protocol/jobs.ts';
import { scoresOf } from '../../rankers/pairs.ts';
import { PairRm } from '../rankers/pairrm.ts';
import { openRewardModel } from '../rankers/reward.ts';
import { ALL_CORES, reporter, type JobContext } from './context.ts';

/** `EngineMethods.reward`. */
export async function reward(
  { model, rows, tooLong = 'cut', threads = ALL_CORES }: RewardJob,
  { control, sessions }: JobContext,
): Promise<Scores> {
  const opened = await sessions.get('reward', JSON.stringify([model, threads]), () => openRewardModel(model, threads));
  const total = rows.reduce((sum, { answers }) => sum + answers.length, 0);
  return opened.rewards(rows, tooLong, reporter(control, 'scoring', 'answers', total));
}

/** `EngineMethods.rank`. */
export async function rank(
  { model, rows, threads = ALL_CORES }: RankJob,
  { control, sessions }: JobContext,
): Promise<Scores> {
  const opened = await sessions.get('rank', JSON.stringify([model, threads]), () => PairRm.open(model, threads));
  const total = rows.reduce((sum, { answers }) => sum + answers.length * (answers.length - 1), 0);
  const { logits, cut } = await opened.compare(rows, reporter(control, 'ranking', 'pairs', total));
  return { scores: logits.map(scoresOf), cut };
}
