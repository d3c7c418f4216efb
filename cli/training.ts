/** Flags and report of the commands that train. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { writeJsonl } from '../data/jsonl.ts';
import type { TrainResult } from '../engine/protocol/jobs.ts';
import { loraSchema, trainingSchema, type TrainingSettings } from '../engine/protocol/settings.ts';
import { describeRowCounts } from '../data/row-counts.ts';
import { addSettings, readSettings } from './settings.ts';
import { summarize } from './step.ts';

const TRAINING_FIELDS = [
  'learningRate',
  'schedule',
  'warmupRatio',
  'weightDecay',
  'maxGradNorm',
  'epochs',
  'batchSize',
  'maxLength',
  'maxPromptLength',
  'microBatchTokens',
  'recompute',
  'shuffle',
  'full',
] as const;

export function addTraining(command: Command): void {
  addSettings(command, trainingSchema, [...TRAINING_FIELDS]);
  command
    .option('--lora-rank <n>', `${loraSchema.shape.rank.description} (default: ${loraSchema.parse({}).rank})`)
    .option('--lora-alpha <n>', loraSchema.shape.alpha.description)
    .option('--lora-targets <names>', `${loraSchema.shape.targets.description} Comma-separated (default: all)`)
    .option('--rslora', loraSchema.shape.rslora.description);
}

/** @throws InputError that names the flag */
export function readTraining(flags: Record<string, unknown>): TrainingSettings {
  const { loraRank, loraAlpha, loraTargets, rslora } = flags;
  const given = { rank: loraRank, alpha: loraAlpha, targets: (loraTargets as string | undefined)?.split(','), rslora };
  const lora = readSettings(loraSchema, given, ['rank', 'alpha', 'targets', 'rslora'], 'lora');
  return { ...readSettings(trainingSchema, flags, [...TRAINING_FIELDS]), lora };
}

/** Writes the steps' metrics beside the policy and prints the last ones. */
export async function reportTraining(
  flags: { out: string; json?: boolean },
  { steps, metrics, rows: counts, unchanged }: TrainResult,
): Promise<void> {
  await writeJsonl(join(flags.out, 'metrics.jsonl'), metrics);
  const last = metrics.at(-1)!;
  const { rows, ...became } = counts;
  summarize(
    flags,
    {
      rows,
      row_counts: became,
      steps,
      unchanged,
      ...last,
      out: flags.out,
    },
    [
      `${flags.out}: ${steps} steps over ${rows} rows, last loss ${last.loss.toFixed(6)}.`,
      ...describeRowCounts(counts),
    ].join(' '),
  );
  if (unchanged)
    console.error(
      `selm: warning: the weights in ${flags.out} equal those that training started from (highest learning rate ${Math.max(...metrics.map(({ learning_rate }) => learning_rate))}): raise --learning-rate.`,
    );
}
