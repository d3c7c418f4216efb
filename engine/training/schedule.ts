/** The steps of a training: the order of the examples, and learning rates as those of transformers, after nanoGPT's warm-up. */
import { shuffled } from '../../data/random.ts';
import type { TrainingSettings } from '../protocol/settings.ts';
import { stepsPerEpoch } from '../protocol/steps.ts';

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

/** One optimizer step. */
interface StepPlan {
  /** Indices of the examples. */
  rows: number[];
  learningRate: number;
}

/**
 * The optimizer steps of a training: which examples, in which order, at which learning rate. The order of an epoch depends only on the
 * seed and the epoch.
 * @param count number of examples
 * @returns the number of steps per epoch and in all, and the plan of a step (counted from 0)
 */
export function planSteps(
  count: number,
  settings: TrainingSettings,
  seed: number,
): { perEpoch: number; steps: number; step: (step: number) => StepPlan } {
  const perEpoch = stepsPerEpoch(count, settings);
  const steps = perEpoch * settings.epochs;
  const ordered = Array.from({ length: count }, (_, i) => i);
  let known: { epoch: number; order: number[] } | undefined;
  const orderOf = (epoch: number) => {
    if (!settings.shuffle) return ordered;
    if (known?.epoch !== epoch) known = { epoch, order: shuffled(ordered, seed, 'epoch', epoch) };
    return known.order;
  };
  const step = (index: number) => {
    const start = (index % perEpoch) * settings.batchSize;
    const rows = orderOf(Math.floor(index / perEpoch)).slice(start, start + settings.batchSize);
    return { rows, learningRate: learningRateAt(index, steps, settings) };
  };
  return { perEpoch, steps, step };
}
