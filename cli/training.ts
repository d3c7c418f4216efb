/** Flags and summary of the training commands. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { counted } from '../data/counted.ts';
import { InputError } from '../data/errors.ts';
import { parseModelId } from '../data/hub/ids.ts';
import { idOfSnapshot } from '../data/hub/models.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { describeRowCounts, trainedRows } from '../data/row-counts.ts';
import { ADAPTER_CONFIG, withHubBase } from '../engine/model-files/adapter-config.ts';
import type { Policy, TrainResult } from '../engine/protocol/jobs.ts';
import { trainingSchema, type TrainingSettings } from '../engine/protocol/settings.ts';
import { fewStepsWarning } from '../engine/protocol/steps.ts';
import { SettingsFlags, type GivenFlags } from './settings.ts';
import { summarize } from './step.ts';

/** PEFT's name is better known than `--lora-rslora`. */
export const trainingFlags = new SettingsFlags(trainingSchema, { named: { 'lora.rslora': 'rslora' } });

/**
 * Checks that flags of a new LoRA adapter are given only where training makes one.
 * @param adapter that training starts from
 * @throws InputError that names the flag
 */
export function checkLoraFlags(flags: GivenFlags, { full }: TrainingSettings, { adapter }: Policy): void {
  const given = trainingFlags.given(flags).find(({ key }) => key.startsWith('lora.'));
  const why = full ? '--full trains all weights' : adapter && `training continues the adapter ${adapter} as it is`;
  if (given && why) throw new InputError(`${given.flag} is for a new LoRA adapter, but ${why}: remove the flag.`);
}

/** Writes the hub id of the base model into a trained adapter, if the model is from the hub. The engine writes a local folder there. */
export function nameBase(out: string, { full }: TrainingSettings, { model }: Policy): void {
  const id = idOfSnapshot(model);
  if (full || id === undefined) return;
  const file = join(out, ADAPTER_CONFIG);
  writeFileSync(file, withHubBase(readFileSync(file, 'utf8'), parseModelId(id)!));
}

/**
 * Writes the metrics of each optimizer step to `metrics.jsonl` beside the policy, prints the last ones, and warns of a training that has
 * few steps or has changed nothing.
 * @param what a row is: `preference`
 */
export async function reportTraining(
  flags: { out: string; json?: boolean },
  what: string,
  settings: Pick<TrainingSettings, 'batchSize' | 'epochs'>,
  { steps, metrics, rows: counts, unchanged }: TrainResult,
): Promise<void> {
  await writeJsonl(join(flags.out, 'metrics.jsonl'), metrics);
  const last = metrics.at(-1)!;
  const { rows, ...rowCounts } = counts;
  summarize(
    flags,
    { rows, row_counts: rowCounts, steps, unchanged, ...last, out: flags.out },
    [
      `${flags.out}: ${counted(steps, 'step')} over ${counted(rows, 'row')}, last loss ${last.loss.toFixed(6)}.`,
      ...describeRowCounts(counts),
    ].join(' '),
  );
  const remedy = `lower --batch-size, raise --epochs, or give more ${what}s`;
  const few = fewStepsWarning('training had only', trainedRows(counts), what, settings, remedy);
  if (few !== undefined) console.error(`selm: warning: ${few}`);
  if (!unchanged) return;
  const highest = Math.max(...metrics.map(({ learning_rate }) => learning_rate));
  console.error(
    `selm: warning: the weights in ${flags.out} equal those that training started from ` +
      `(highest learning rate ${highest}): raise --learning-rate.`,
  );
}
