/** The jobs that train a policy. */
import type { RowCounts } from '../../../data/row-counts.ts';
import { writeAdapter } from '../../model-files/lora.ts';
import type { OptimizeJob, SftJob, TrainResult } from '../../protocol/jobs.ts';
import { writeTemplates } from '../../tokenizer/template-files.ts';
import { demonstrationExamples } from '../../training/demonstrations.ts';
import { trainingHash, trainingValues } from '../../training/training-hash.ts';
import type { Example } from '../../training/groups.ts';
import { checkTraining, optimizeExamples, startAdapter } from '../../training/train-job.ts';
import { writeModel } from '../model/export.ts';
import { OUTPUT } from '../../model-files/embeddings.ts';
import { openLlamaPolicy, type LlamaPolicy } from '../../tokens/policy.ts';
import type { Feeds } from '../session.ts';
import { isAdapterChanged, isModelChanged } from '../training/change.ts';
import { demonstrationTask } from '../training/demonstration.ts';
import { preferenceTask } from '../training/preference.ts';
import type { TrainingTask } from '../training/task.ts';
import { train, type TrainingOptions } from '../training/train.ts';
import { trainableAdapter, trainableModel } from '../training/trainable.ts';
import { ALL_CORES, type JobContext } from './context.ts';
import { scoreResponses } from './score.ts';

/** `EngineMethods.optimize`. */
export async function optimize(job: OptimizeJob, context: JobContext): Promise<TrainResult> {
  const opened = openLlamaPolicy(job.policy);
  checkTraining(job, opened.model);
  const { examples, counts } = await optimizeExamples(job, opened, (policy, responses) =>
    scoreResponses({ policy, threads: job.threads }, openLlamaPolicy(policy), responses, context),
  );
  return trainPolicy(job, opened, preferenceTask(examples, job.objective), counts, context);
}

/** `EngineMethods.sft`. */
export async function sft(job: SftJob, context: JobContext): Promise<TrainResult> {
  const opened = openLlamaPolicy(job.policy);
  checkTraining(job, opened.model);
  const { examples, counts } = demonstrationExamples(job, opened);
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
  // Training needs more memory than any other job. So no session stays open.
  await sessions.clear();
  const adapter = training.full ? undefined : startAdapter(job, model);
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
  writeTemplates(outDir, policy);
  // Read again: training has changed the first one's matrices.
  const changed = adapter
    ? isAdapterChanged(model, startAdapter(job, model), adapter)
    : isModelChanged(model, trainable.values);
  return { ...result, rows, unchanged: !changed };
}

function checkpointOptions<E extends Example>(
  job: OptimizeJob | SftJob,
  { examples }: TrainingTask<E>,
  values: Feeds,
): Pick<TrainingOptions, 'checkpoint'> {
  const { checkpoint, threads = ALL_CORES } = job;
  if (!checkpoint) return {};
  const start = Object.values(values).map(({ data }) => data as Float32Array);
  const parts = trainingValues(job, [threads], examples);
  return { checkpoint: { ...checkpoint, fingerprint: trainingHash(start, parts) } };
}
