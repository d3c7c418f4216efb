/** The jobs that train a policy. */
import { existsSync, readdirSync } from 'node:fs';
import { InputError, located } from '../../../data/errors.ts';
import { readJsonl } from '../../../data/jsonl.ts';
import { referenceLogpsSchema } from '../../../data/records.ts';
import { nothingLeft, type RowCounts } from '../../../data/row-counts.ts';
import { OUTPUT } from '../../model-files/embeddings.ts';
import { layersOf } from '../../model-files/linear-layers.ts';
import { freshAdapter, readAdapter, writeAdapter } from '../../model-files/lora.ts';
import type { OptimizeJob, SftJob, TrainResult } from '../../protocol/jobs.ts';
import { tokenizeDemonstration } from '../../tokens/demonstrations.ts';
import { tokenizePreferences, type TokenizedPreference } from '../../tokens/preferences.ts';
import { writeModel } from '../model/export.ts';
import { objectiveOf } from '../objectives/index.ts';
import { openLlamaPolicy, type LlamaPolicy } from '../../tokens/policy.ts';
import { isAdapterChanged, isModelChanged } from '../training/change.ts';
import { fingerprintOf } from '../training/checkpoint.ts';
import { demonstrationTask } from '../training/demonstration.ts';
import {
  examplesWithLogps,
  preferenceExamples,
  preferenceTask,
  type PreferenceExample,
} from '../training/preference.ts';
import type { Example, TrainingTask } from '../training/task.ts';
import { train, type TrainingOptions } from '../training/train.ts';
import { trainableAdapter, trainableModel } from '../training/trainable.ts';
import { ALL_CORES, type JobContext } from './context.ts';
import { writeTemplate } from './export.ts';
import { scoreResponses } from './score.ts';

/** `EngineMethods.optimize`. */
export async function optimize(job: OptimizeJob, context: JobContext): Promise<TrainResult> {
  const opened = openLlamaPolicy(job.policy);
  const { referenceResponse, referencePolicy } = objectiveOf(job.objective);
  const { rows, counts } = await tokenizePreferences(opened, job.rows, job.training, referenceResponse);
  if (rows.length === 0 && counts.rows > 0) throw new InputError(nothingLeft(counts));
  const examples = await withReference(job, rows, referencePolicy, context);
  return trainPolicy(job, opened, preferenceTask(examples, job.objective), counts, context);
}

/** @param isNeeded whether the objective uses the reference policy's log-probabilities */
async function withReference(
  { reference, threads }: OptimizeJob,
  rows: TokenizedPreference[],
  isNeeded: boolean,
  context: JobContext,
): Promise<PreferenceExample[]> {
  if (!isNeeded) return preferenceExamples(rows, async ({ length }) => new Float64Array(length));
  if ('logpFiles' in reference) {
    const files = await Promise.all(reference.logpFiles.map((file) => readJsonl(file, referenceLogpsSchema)));
    const logps = files.flat();
    if (logps.length !== rows.length) {
      throw new Error(`There are ${logps.length} rows of reference log-probabilities for ${rows.length} preferences.`);
    }
    return examplesWithLogps(rows, logps);
  }
  return preferenceExamples(rows, (responses) =>
    scoreResponses({ policy: reference, threads }, openLlamaPolicy(reference), responses, context),
  );
}

/** `EngineMethods.sft`. */
export async function sft(job: SftJob, context: JobContext): Promise<TrainResult> {
  const opened = openLlamaPolicy(job.policy);
  const rows = job.rows.map((row, i) =>
    located(`Row ${i + 1}`, () => tokenizeDemonstration(opened, row, job.training)),
  );
  const examples = rows.map(({ tokens: { prompt, response, trained } }) => ({
    group: { prompt, responses: [response], ...(trained && { trained: [trained] }) },
  }));
  const counts = {
    rows: rows.length,
    truncated: rows.filter(({ isTruncated }) => isTruncated).length,
    equal: 0,
    promptTooLong: 0,
    promptNotPrefix: rows.filter(({ isPrefix }) => !isPrefix).length,
  };
  return trainPolicy(job, opened, demonstrationTask(examples), counts, context);
}

async function trainPolicy<E extends Example>(
  job: OptimizeJob | SftJob,
  opened: LlamaPolicy,
  task: TrainingTask<E>,
  rows: RowCounts,
  { control, sessions }: JobContext,
): Promise<TrainResult> {
  const { model } = opened;
  const { outDir, policy, training, seed } = job;
  if (task.examples.length === 0) throw new InputError('There is nothing to train on: the data has no rows.');
  if (existsSync(outDir) && readdirSync(outDir).length > 0) {
    throw new InputError(`${outDir} is not empty: give a new folder for the trained policy.`);
  }
  if (training.full && opened.adapter) {
    throw new InputError(
      `Training all weights starts from a model without an adapter: merge ${policy.adapter} into it first (selm export).`,
    );
  }
  // Training needs more memory than any other job. So no session stays open.
  await sessions.clear();
  // Read again when training has changed the first one's matrices.
  const startAdapter = () =>
    policy.adapter === undefined
      ? freshAdapter(layersOf(model), training.lora, seed)
      : readAdapter(policy.adapter, layersOf(model));
  const adapter = training.full ? undefined : startAdapter();
  const trainable = adapter ? trainableAdapter(model, adapter) : trainableModel(model);
  const result = await train(model, trainable, task, {
    settings: training,
    seed,
    threads: job.threads ?? ALL_CORES,
    ...checkpointOptions(job, task, trainable.values),
    ...control,
  });
  if (adapter) writeAdapter(outDir, { ...adapter, baseModel: policy.model });
  else await writeModel(outDir, policy.model, trainable.values, { tie_word_embeddings: !(OUTPUT in trainable.values) });
  writeTemplate(outDir, policy);
  const changed = adapter ? isAdapterChanged(model, startAdapter(), adapter) : isModelChanged(model, trainable.values);
  return { ...result, rows, unchanged: !changed };
}

/** A checkpoint belongs to a training that starts from the same values with the same settings and examples. */
function checkpointOptions<E extends Example>(
  job: OptimizeJob | SftJob,
  { examples }: TrainingTask<E>,
  values: Parameters<typeof fingerprintOf>[0],
): Pick<TrainingOptions, 'checkpoint'> {
  const { checkpoint, training, seed, threads = ALL_CORES } = job;
  if (!checkpoint) return {};
  const objective = 'objective' in job && job.objective;
  // No paths: another machine may resume. The examples stand for the rows, the tokenizer and the reference policy.
  const parts = [training, seed, objective, threads, ...examples];
  return { checkpoint: { ...checkpoint, fingerprint: fingerprintOf(values, parts) } };
}
