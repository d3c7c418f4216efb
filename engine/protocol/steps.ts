/** The number of optimizer steps of a training, and a warning if it is small. */
import { counted } from '../../data/counted.ts';
import type { TrainingSettings } from './settings.ts';

type Steps = Pick<TrainingSettings, 'batchSize' | 'epochs'>;

/** Optimizer steps per epoch. The last batch of an epoch may be smaller than the others. */
export const stepsPerEpoch = (rows: number, { batchSize }: Pick<Steps, 'batchSize'>): number =>
  Math.ceil(rows / batchSize);

/**
 * Fewer steps are hardly a training: the default warm-up, a tenth of the steps, is one step or none, and a step of AdamW moves a weight
 * by the learning rate at most, which is chosen for many steps.
 */
const FEW = 10;

/**
 * @param lead the beginning of the sentence: `only`
 * @param what a row is: `preference`
 * @param remedy what to do. Default: for a run
 * @returns a sentence if a training on these rows has few steps
 */
export function fewStepsWarning(
  lead: string,
  rows: number,
  what: string,
  settings: Steps,
  remedy = 'lower optimize.batchSize, or raise optimize.epochs or the number of prompts a round',
): string | undefined {
  const { batchSize, epochs } = settings;
  const steps = stepsPerEpoch(rows, settings) * epochs;
  if (steps >= FEW) return undefined;
  const settingsUsed = `${counted(rows, what)}, batch size ${batchSize}, ${counted(epochs, 'epoch')}`;
  return `${lead} ${counted(steps, 'optimizer step')} (${settingsUsed}): ${remedy}.`;
}
