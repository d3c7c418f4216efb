/** The training loop: loss, gradients, clipping, AdamW, schedule, checkpoints. */
import { JobAborted, TrainingDiverged } from '../../protocol/errors.ts';
import { gradient } from '../graph/gradient.ts';
import * as ops from '../graph/ops.ts';
import { Graph, type Tensor } from '../graph/tensor.ts';
import type { Progress, TrainedSteps, TrainMetrics } from '../../protocol/jobs.ts';
import { type Parameters } from '../model/parameters.ts';
import { packGroups, planBatches } from '../packing.ts';
import { shuffled } from '../../../data/random.ts';
import { sequenceLogps } from '../sequences.ts';
import { float32, scalar, Session, type Feeds } from '../session.ts';
import type { TrainingSettings } from '../../protocol/settings.ts';
import { AdamW, type Parameter } from './adamw.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { scaledGradient } from './loss-scaling.ts';
import { learningRateAt } from './schedule.ts';
import { stepsPerEpoch } from '../../protocol/steps.ts';
import type { Example, TrainingTask } from './task.ts';
import type { ModelFiles } from '../model/model-files.ts';

/** What is trained: the parameters by name, their first values, and how a graph gets at the whole policy with them. */
export interface Trainable {
  parameters: Parameter[];
  values: Feeds;
  /** @param trained the parameters as inputs of the graph, by name */
  bind(g: Graph, trained: Map<string, Tensor>): Parameters;
}

export interface TrainingOptions {
  settings: TrainingSettings;
  seed: number;
  threads: number;
  checkpoint?: { dir: string; everySeconds: number; fingerprint: string };
  onProgress: (progress: Progress) => void;
  /** Asked between passes; when it says so, a checkpoint is written and `JobAborted` thrown. */
  aborted: () => boolean;
}

/** One pass: the micro-batch's loss, its log-probabilities, and its gradients added to those before. */
export function passGraph<E extends Example>(
  model: ModelFiles,
  trainable: Trainable,
  task: TrainingTask<E>,
  recompute: boolean,
): Graph {
  const g = new Graph();
  const trained = new Map(trainable.parameters.map(({ name, shape }) => [name, g.input(name, 'float32', shape)]));
  const sequences = g.input('sequences', 'float32', ['N']);
  const logps = sequenceLogps(g, model.config, trainable.bind(g, trained), sequences, { recompute });
  const loss = ops.mul(g, task.loss(g, logps), g.input('scale', 'float32', []));
  const wrt = trainable.parameters.map(({ name }) => trained.get(name)!);
  const onto = new Map(wrt.map((p) => [p, g.input(`gradient.${p.name}`, 'float32', p.shape)]));
  g.output('loss', loss);
  g.output('logps', logps);
  const sums =
    model.target.compute === 'float16' ? scaledGradient(g, loss, logps, wrt, onto) : gradient(g, loss, wrt, onto);
  for (const [i, sum] of sums.entries()) g.output(`gradient.${wrt[i].name}`, sum);
  return g;
}

/** The order in which an epoch visits the examples: of the seed and the epoch alone. */
function visitOrder(count: number, epoch: number, settings: TrainingSettings, seed: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  return settings.shuffle ? shuffled(order, seed, 'epoch', epoch) : order;
}

/**
 * Trains `trainable` in place of its values. Bit for bit the same for the same inputs and thread count, whether or not it
 * was interrupted and resumed from a checkpoint.
 */
export async function train<E extends Example>(
  model: ModelFiles,
  trainable: Trainable,
  task: TrainingTask<E>,
  options: TrainingOptions,
): Promise<TrainedSteps> {
  const { settings, threads } = options;
  const session = await Session.open(passGraph(model, trainable, task, settings.recompute), {
    folder: model.dataFolder,
    device: model.target.device,
    threads,
  });
  const optimizer = new AdamW(trainable.parameters, trainable.values, settings);
  try {
    return await trainSteps(session, optimizer, model.config.vocabSize, task, options);
  } finally {
    await session.close();
  }
}

async function trainSteps<E extends Example>(
  session: Session,
  optimizer: AdamW,
  vocabSize: number,
  task: TrainingTask<E>,
  { settings, seed, checkpoint, onProgress, aborted }: TrainingOptions,
): Promise<TrainedSteps> {
  const { examples } = task;
  const perEpoch = stepsPerEpoch(examples.length, settings);
  const steps = perEpoch * settings.epochs;
  const { checkpoint: resumed, damaged } = checkpoint
    ? readCheckpoint(checkpoint.dir, checkpoint.fingerprint, optimizer.state)
    : { damaged: [] };
  const metrics: TrainMetrics[] = resumed?.metrics ?? [];
  const first = resumed?.step ?? 0;
  let tokensDone = 0;
  let lastCheckpoint = Date.now();

  const save = (step: number) => {
    const written = writeCheckpoint(
      checkpoint!.dir,
      { step, fingerprint: checkpoint!.fingerprint, metrics },
      optimizer.state,
    );
    onProgress({ done: step, total: steps, unit: 'steps', tokens: tokensDone, checkpoint: written });
    lastCheckpoint = Date.now();
  };

  for (let step = first; step < steps; step++) {
    const epoch = Math.floor(step / perEpoch);
    const order = visitOrder(examples.length, epoch, settings, seed);
    const at = (step % perEpoch) * settings.batchSize;
    const batch = order.slice(at, at + settings.batchSize).map((i) => examples[i]);
    const scale = scalar(task.scale(batch));
    const logps: number[][] = batch.map(() => []);
    const started = performance.now();
    let loss = 0;
    let tokens = 0;
    for (const pass of planBatches(
      batch.map(({ group }) => group),
      settings.microBatchTokens,
    )) {
      if (aborted()) {
        if (checkpoint && step > first) save(step);
        throw new JobAborted(`training was stopped after ${step} of ${steps} steps`);
      }
      const part = pass.map((i) => batch[i]);
      const packed = packGroups(
        part.map(({ group }) => group),
        vocabSize,
      );
      const sequences = part.reduce((total, { group }) => total + group.responses.length, 0);
      const feeds = {
        ...packed.feeds,
        ...task.feeds(part),
        ...optimizer.values,
        ...optimizer.gradients,
        sequences: float32(new Float32Array(sequences), [sequences]),
        scale,
      };
      const result = await session.run(feeds, optimizer.gradients);
      loss += (result['loss'].data as Float32Array)[0];
      tokens += packed.tokens;
      let next = 0;
      for (const i of pass) {
        const count = batch[i].group.responses.length;
        logps[i] = [...(result['logps'].data as Float32Array).subarray(next, next + count)];
        next += count;
      }
    }
    const learningRate = learningRateAt(step, steps, settings);
    const gradNorm = optimizer.step(step + 1, learningRate);
    tokensDone += tokens;
    const row: TrainMetrics = {
      step: step + 1,
      epoch: (step + 1) / perEpoch,
      loss,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      'tokens/s': tokens / ((performance.now() - started) / 1000),
      ...task.metrics(batch, logps),
    };
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      throw new TrainingDiverged(
        `Training diverged at step ${step + 1}: loss ${loss}, gradient norm ${gradNorm}; lower the learning rate.`,
      );
    }
    metrics.push(row);
    onProgress({ done: step + 1, total: steps, unit: 'steps', tokens: tokensDone, metrics: row });
    if (checkpoint && step + 1 < steps && Date.now() - lastCheckpoint >= checkpoint.everySeconds * 1000) {
      save(step + 1);
    }
  }
  return { steps, metrics, ...(resumed && { resumedFromStep: resumed.step }), damagedCheckpoints: damaged };
}
