/** Reward models: one number for every answer to a prompt, higher is better. */
import type { Text } from '../../data/records.ts';
import { Classifier } from './classifier.ts';
import { findOnnx, OnnxReward } from './onnx-reward.ts';

/** A prompt and the answers to it that are to be judged. */
export interface Answered {
  prompt: Text;
  answers: string[];
}

export interface RewardModel {
  /**
   * @param onBatch told after each pass how many answers and tokens are done
   * @returns a reward for each answer, in the order given
   */
  rewards(rows: Answered[], onBatch?: (answers: number, tokens: number) => void): Promise<number[][]>;
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
