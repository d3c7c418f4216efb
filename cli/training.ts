/** Flags and summary of the training commands. */
import { join } from 'node:path';
import { writeJsonl } from '../data/jsonl.ts';
import { describeRowCounts } from '../data/row-counts.ts';
import type { TrainResult } from '../engine/protocol/jobs.ts';
import { trainingSchema } from '../engine/protocol/settings.ts';
import { SettingsFlags } from './settings.ts';
import { summarize } from './step.ts';

/** PEFT's name is better known than `--lora-rslora`. */
export const trainingFlags = new SettingsFlags(trainingSchema, { named: { 'lora.rslora': 'rslora' } });

/** Writes the metrics of each optimizer step to `metrics.jsonl` beside the policy, and prints the last ones. */
export async function reportTraining(
  flags: { out: string; json?: boolean },
  { steps, metrics, rows: counts, unchanged }: TrainResult,
): Promise<void> {
  await writeJsonl(join(flags.out, 'metrics.jsonl'), metrics);
  const last = metrics.at(-1)!;
  const { rows, ...rowCounts } = counts;
  summarize(
    flags,
    { rows, row_counts: rowCounts, steps, unchanged, ...last, out: flags.out },
    [
      `${flags.out}: ${steps} steps over ${rows} rows, last loss ${last.loss.toFixed(6)}.`,
      ...describeRowCounts(counts),
    ].join(' '),
  );
  if (!unchanged) return;
  const highest = Math.max(...metrics.map(({ learning_rate }) => learning_rate));
  console.error(
    `selm: warning: the weights in ${flags.out} equal those that training started from ` +
      `(highest learning rate ${highest}): raise --learning-rate.`,
  );
}
