/** Opens a reward model, whatever its format. */
import { Classifier } from './classifier.ts';
import { findOnnx, OnnxReward } from './onnx-reward.ts';
import type { RewardModel } from './reward-model.ts';

/**
 * A model of the engine's own families from safetensors, or whatever model the folder holds as ONNX.
 * @throws InputError when a part is missing, damaged or unsupported, or the model gives more than one number
 */
export function openRewardModel(folder: string, threads: number): Promise<RewardModel> {
  const onnx = findOnnx(folder);
  return onnx === undefined ? Classifier.open(folder, threads) : OnnxReward.open(folder, onnx, threads);
}
