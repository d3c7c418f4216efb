/** The jobs that train a policy. */
import { join } from 'node:path';
import type { RowCounts } from '../../data/row-counts.ts';
import { copyModelFiles } from '../model-files/copy.ts';
import { areUntied } from '../model-files/embeddings.ts';
import { layersOf } from '../model-files/linear-layers.ts';
import { policyHash } from '../model-files/fingerprint.ts';
import { readAdapter, writeAdapter } from '../model-files/lora.ts';
import { openModelWeights } from '../model-files/weights.ts';
import type { OptimizeJob, Progress, SftJob, TrainedSteps, TrainMetrics, TrainResult } from '../protocol/jobs.ts';
import { writeTemplates } from '../tokenizer/template-files.ts';
import { openPolicyFiles, type PolicyFiles } from '../tokens/policy.ts';
import { demonstrationExamples, demonstrationMetrics } from '../training/demonstrations.ts';
import { trainingHash, trainingValues } from '../training/training-hash.ts';
import type { Example } from '../training/groups.ts';
import { preferenceMetrics } from '../training/preference.ts';
import { planSteps } from '../training/schedule.ts';
import { checkTraining, optimizeExamples, startAdapter } from '../training/train-job.ts';
import type { ProgressMessage, StepMessage } from './channel.ts';
import { compute, threadsOf, type JobContext, type RankJob } from './context.ts';
import { scoreResponses } from './score.ts';
import { torchVersion } from './version.ts';

/** What is trained on: its examples, their rows as the ranks read them, the objective and the metrics. */
interface Task<E extends Example> {
  examples: E[];
  objective: object;
  metrics(batch: E[], logps: number[][]): Record<string, number>;
}

/** `EngineMethods.optimize`. */
export async function optimize(job: OptimizeJob, context: JobContext): Promise<TrainResult> {
  const opened = openPolicyFiles(job.policy);
  checkTraining(job, opened.model);
  const { examples, counts } = await optimizeExamples(job, opened, (policy, responses) =>
    scoreResponses('optimize (reference)', job, policy, responses, context),
  );
  const task = {
    examples,
    objective: job.objective,
    metrics: (batch: typeof examples, logps: number[][]) => preferenceMetrics(batch, logps, job.objective),
  };
  return trainPolicy('optimize', job, opened, task, counts, context);
}

/** `EngineMethods.sft`. */
export async function sft(job: SftJob, context: JobContext): Promise<TrainResult> {
  const opened = openPolicyFiles(job.policy);
  checkTraining(job, opened.model);
  const { examples, counts } = demonstrationExamples(job, opened);
  return trainPolicy(
    'sft',
    job,
    opened,
    { examples, objective: { name: 'sft' }, metrics: demonstrationMetrics },
    counts,
    context,
  );
}

async function trainPolicy<E extends Example>(
  name: string,
  job: OptimizeJob | SftJob,
  { model }: PolicyFiles,
  task: Task<E>,
  rows: RowCounts,
  context: JobContext,
): Promise<TrainResult> {
  const { outDir, policy, training } = job;
  const { examples } = task;
  const plan = planSteps(examples.length, training, job.seed);
  const ranks = await context.ranks(job);
  // A fresh adapter has the same numbers in every backend.
  const adapter = training.full ? null : (policy.adapter ?? join(ranks.folder, 'adapter'));
  if (adapter !== null && policy.adapter === undefined) writeAdapter(adapter, startAdapter(job, model));
  const ranked: RankJob = {
    method: 'optimize',
    model: policy.model,
    adapter,
    microBatchTokens: training.microBatchTokens,
    objective: task.objective,
    steps: Array.from({ length: plan.steps }, (_, step) => plan.step(step)),
    outDir,
    training,
    checkpoint: await checkpointOf(job, examples),
  };
  const log = new TrainLog(plan, task, context);
  const value = await compute(
    name,
    job,
    ranked,
    examples.map(({ group, ...roles }) => ({ ...group, ...roles })),
    ranks,
    context.control,
    (message) => log.add(message),
  );
  const { unchanged, ...trained } = value as Omit<TrainedSteps, 'metrics'> & { unchanged: boolean };
  if (adapter === null) {
    const untied = areUntied(openModelWeights(outDir)) ? { tie_word_embeddings: false } : {};
    copyModelFiles(policy.model, outDir, untied);
  } else writeAdapter(outDir, { ...readAdapter(outDir, layersOf(model)), baseModel: policy.model });
  writeTemplates(outDir, policy);
  return { ...trained, metrics: log.metrics, rows, unchanged };
}

/** A checkpoint belongs to a training that starts from the same policy with the same settings, examples, ranks and versions. */
async function checkpointOf(job: OptimizeJob | SftJob, examples: Example[]) {
  const { checkpoint, policy } = job;
  if (!checkpoint) return null;
  const start = await policyHash({ model: policy.model, ...(policy.adapter && { adapter: policy.adapter }) });
  const values = trainingValues(job, [threadsOf(job), torchVersion(job)], examples);
  return { ...checkpoint, fingerprint: trainingHash([start], values) };
}

/** The metrics of a training, from the messages of the ranks. */
class TrainLog<E extends Example> {
  readonly metrics: TrainMetrics[] = [];
  private readonly plan: ReturnType<typeof planSteps>;
  private readonly task: Task<E>;
  private readonly context: JobContext;
  private tokens = 0;

  constructor(plan: ReturnType<typeof planSteps>, task: Task<E>, context: JobContext) {
    this.plan = plan;
    this.task = task;
    this.context = context;
  }

  add(message: ProgressMessage): void {
    if (message.type === 'resumed') {
      this.metrics.push(...message.steps.map((step) => this.metricsOf(step)));
      this.report({ resumedFromStep: message.step });
    } else if (message.type === 'step') {
      const metrics = this.metricsOf(message);
      this.metrics.push(metrics);
      this.tokens += message.tokens;
      this.report({ metrics });
    } else this.report(message.type === 'checkpoint' ? { checkpoint: message.path } : {});
  }

  private report(more: Pick<Progress, 'metrics' | 'checkpoint' | 'resumedFromStep'>): void {
    const { control } = this.context;
    control.onProgress({
      done: this.metrics.length,
      total: this.plan.steps,
      unit: 'steps',
      tokens: this.tokens,
      ...more,
    });
  }

  private metricsOf({ step, loss, grad_norm, logps, tokens, seconds }: StepMessage): TrainMetrics {
    const { rows, learningRate } = this.plan.step(step - 1);
    return {
      step,
      epoch: step / this.plan.perEpoch,
      loss,
      grad_norm,
      learning_rate: learningRate,
      'tokens/s': tokens / seconds,
      ...this.task.metrics(
        rows.map((i) => this.task.examples[i]),
        logps,
      ),
    };
  }
}
