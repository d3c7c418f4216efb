/** How many optimizer steps a training takes, and whether they are few. */
import type { TrainingSettings } from './settings.ts';

type Steps = Pick<TrainingSettings, 'batchSize' | 'epochs'>;

/** The last batch of an epoch may be smaller than the others. */
export const stepsPerEpoch = (rows: number, { batchSize }: Pick<Steps, 'batchSize'>): number =>
  Math.ceil(rows / batchSize);

/**
 * Fewer than these are hardly a training: the default warm-up, a tenth of the steps, is one of them or none, and a step of AdamW
 * moves a weight by the learning rate at most, which is set for many.
 */
const FEW = 10;

/**
 * @param lead what the sentence begins with, such as `only`
 * @param what the rows are, in the plural: `preferences`
 * @returns a sentence, where a training on these rows has few steps
 */
export function fewStepsWarning(lead: string, rows: number, what: string, settings: Steps): string | undefined {
  const { batchSize, epochs } = settings;
  const steps = stepsPerEpoch(rows, settings) * epochs;
  if (steps >= FEW) return undefined;
  return `${lead} ${steps} optimizer step${steps === 1 ? '' : 's'} (${rows} ${rows === 1 ? what.slice(0, -1) : what}, batch size ${batchSize}, ${epochs} epoch${epochs === 1 ? '' : 's'}): lower optimize.batchSize, or raise optimize.epochs or the number of prompts a round.`;
}
