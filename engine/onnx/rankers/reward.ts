/** Reward models: one number for every answer to a prompt, higher is better. */
import type { Text } from '../../../data/records.ts';
import { Classifier } from './classifier.ts';
import type { TooLong } from './context.ts';
import { findOnnx, OnnxReward } from './onnx-reward.ts';

/** A prompt and the answers to it that are to be judged. */
export interface Answered {
  /** The prompt's, for messages. */
  id: string;
  prompt: Text;
  answers: string[];
}

/** Scores of answers, higher is better. */
export interface Scores {
  /** One an answer, in the order given; none where an answer is longer than the model reads, and is not judged. */
  scores: (number | undefined)[][];
  /** Answers of which the model has not read all, or not all of their prompt. */
  cut: number;
}

export interface RewardModel {
  /**
   * @param tooLong what becomes of answers that are longer than the model reads
   * @param onBatch told after each pass how many answers and tokens are done
   */
  rewards(rows: Answered[], tooLong: TooLong, onBatch?: (answers: number, tokens: number) => void): Promise<Scores>;
  close(): Promise<void>;
}

/**
 * A model of the engine's own families from safetensors, or whatever model the folder holds as ONNX.
 * @throws InputError when a part is missing, damaged or unsupported, or the model gives more than one number
 */
export function openRewardModel(folder: string, threads: number): Promise<RewardModel> {
  const onnx = findOnnx(folder);
  return onnx === undefined ? Classifier.open(folder, threads) : OnnxReward.open(folder, onnx, threads);
}
