/** Opens a reward model, whatever its format. */
import { Classifier } from './classifier.ts';
import { findOnnx, OnnxReward } from './onnx-reward.ts';
import type { RewardModel } from './reward-model.ts';

/**
 * Opens the folder's ONNX model if it has one, else its safetensors weights, which must be of a supported architecture.
 * @throws InputError when a file is missing, damaged or unsupported, or the model has more than one output
 */
export function openRewardModel(folder: string, threads: number): Promise<RewardModel> {
  const onnx = findOnnx(folder);
  return onnx === undefined ? Classifier.open(folder, threads) : OnnxReward.open(folder, onnx, threads);
}
