/** Reward models: one number for every answer to a prompt, higher is better. */
import type { Answered, Scores, TooLong } from '../../protocol/jobs.ts';

export interface RewardModel {
  /**
   * @param tooLong what becomes of answers that are longer than the model reads
   * @param onBatch told after each pass how many answers and tokens are done
   */
  rewards(rows: Answered[], tooLong: TooLong, onBatch?: (answers: number, tokens: number) => void): Promise<Scores>;
  close(): Promise<void>;
}
