/** Learning rate schedules: those of transformers, after nanoGPT's warm-up. */
import type { TrainingSettings } from '../../protocol/settings.ts';

/**
 * The learning rate of one optimizer step. It rises linearly during the warm-up, and then falls towards 0 along half a cosine or a
 * line, or stays constant. It is never 0: otherwise a training of one step would change nothing.
 * @param step counted from 0
 * @param steps number of steps of the training
 */
export function learningRateAt(step: number, steps: number, settings: TrainingSettings): number {
  const { learningRate, schedule } = settings;
  const warmupRatio = settings.warmupRatio ?? (schedule === 'constant' ? 0 : 0.1);
  const warmup = Math.ceil(steps * warmupRatio);
  if (step < warmup) return (learningRate * (step + 1)) / (warmup + 1);
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  if (schedule === 'cosine') return learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
  if (schedule === 'linear') return learningRate * (1 - progress);
  return learningRate;
}
