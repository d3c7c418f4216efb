/** The interface of reward models: one score per candidate, higher is better. */
import type { Answered, Scores, TooLong } from '../../protocol/jobs.ts';

/** An opened reward model. */
export interface RewardModel {
  /**
   * Scores the candidates (`answers`) of each row.
   * @param tooLong what happens to candidates that are longer than the model reads
   * @param onBatch called after each batch with the number of candidates and tokens done; what it throws ends the scoring
   */
  rewards(rows: Answered[], tooLong: TooLong, onBatch?: (answers: number, tokens: number) => void): Promise<Scores>;
  close(): Promise<void>;
}
