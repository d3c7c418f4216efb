/** The training loop: batches, learning rate, optimizer steps, metrics, checkpoints. */
import { counted } from '../../../data/counted.ts';
import { uploadSeconds } from '../../../artifacts/checkpoint-folder.ts';
import { JobAborted, TrainingDiverged } from '../../protocol/errors.ts';
import type { Progress, TrainedSteps, TrainMetrics } from '../../protocol/jobs.ts';
import type { TrainingSettings } from '../../protocol/settings.ts';
import { planSteps } from '../../training/schedule.ts';
import type { Example } from '../../training/groups.ts';
import type { LlamaFolder } from '../../model-files/model.ts';
import { Session, type Feeds } from '../session.ts';
import { AdamW } from './adamw.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { accumulateGradients, microBatchGraph } from './micro-batch.ts';
import type { TrainingTask } from './task.ts';
import type { Trainable } from './trainable.ts';

/** The checkpoints of a training. */
interface CheckpointOptions {
  dir: string;
  everySeconds: number;
  /** How long the last checkpoint of a stopped training may take to be written and uploaded. Default: no limit. */
  stopSeconds?: number;
  fingerprint: string;
}

/** How a training runs, besides what it trains on. */
export interface TrainingOptions {
  settings: TrainingSettings;
  /** Of the order in which epochs visit the examples. */
  seed: number;
  threads: number;
  /** Default: no checkpoints are written or read. */
  checkpoint?: CheckpointOptions;
  onProgress: (progress: Progress) => void;
  /** Called before each micro-batch. Once it returns true, a checkpoint is written if it is in time, and `JobAborted` thrown. */
  aborted: () => boolean;
}

/** Bytes a second at which a checkpoint is written, before one was: an assumption, the same as in python/selm_torch/checkpoint.py. */
const ASSUMED_SPEED = 2e8;

const bytesOf = (state: Feeds): number =>
  Object.values(state).reduce((sum, { data }) => sum + (data as Float32Array).byteLength, 0);

/**
 * Trains in place: `trainable.values` are updated. The result is the same to the bit for the same inputs and number of threads,
 * whether or not the training was interrupted and resumed from a checkpoint.
 * @throws JobAborted once `options.aborted` returns true
 * @throws TrainingDiverged when the loss or the gradient norm is not finite
 */
export async function train<E extends Example>(
  model: LlamaFolder,
  trainable: Trainable,
  task: TrainingTask<E>,
  options: TrainingOptions,
): Promise<TrainedSteps> {
  const { settings, threads } = options;
  const session = await Session.open(microBatchGraph(model, trainable, task, settings.recompute), {
    folder: model.dataFolder,
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
  const { microBatchTokens } = settings;
  const { perEpoch, steps, step: planOf } = planSteps(examples.length, settings, seed);
  const { checkpoint: resumed, damaged } = checkpoint
    ? readCheckpoint(checkpoint.dir, checkpoint.fingerprint, optimizer.state)
    : { damaged: [] };
  const metrics: TrainMetrics[] = resumed?.metrics ?? [];
  const first = resumed?.step ?? 0;
  if (resumed) onProgress({ done: first, total: steps, unit: 'steps', tokens: 0, resumedFromStep: first });
  let tokensDone = 0;
  let lastCheckpoint = { step: first, at: Date.now() };
  // Until one was written, an assumption.
  let writeSeconds = bytesOf(optimizer.state) / ASSUMED_SPEED;

  const save = (step: number) => {
    const started = performance.now();
    const written = writeCheckpoint(
      checkpoint!.dir,
      { step, fingerprint: checkpoint!.fingerprint, metrics },
      optimizer.state,
    );
    writeSeconds = (performance.now() - started) / 1000;
    onProgress({ done: step, total: steps, unit: 'steps', tokens: tokensDone, checkpoint: written });
    lastCheckpoint = { step, at: Date.now() };
  };
  const stopIfAborted = (step: number) => {
    if (!aborted()) return;
    let lost = '';
    if (checkpoint && step > lastCheckpoint.step) {
      const seconds = writeSeconds + uploadSeconds(checkpoint.dir);
      if (seconds <= (checkpoint.stopSeconds ?? Infinity)) save(step);
      else {
        lost =
          `; a checkpoint would take ${seconds.toFixed(0)} s, longer than a worker that ends has: ` +
          `${counted(step - lastCheckpoint.step, 'step')} after step ${lastCheckpoint.step} will be computed again`;
      }
    }
    throw new JobAborted(`training was stopped after ${step} of ${steps} steps${lost}`);
  };

  for (let step = first; step < steps; step++) {
    const { rows, learningRate } = planOf(step);
    const batch = rows.map((i) => examples[i]);
    const started = performance.now();
    const limits = { vocabSize, microBatchTokens };
    const { loss, logps, tokens } = await accumulateGradients(session, optimizer, task, batch, limits, () =>
      stopIfAborted(step),
    );
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
    if (checkpoint && step + 1 < steps && Date.now() - lastCheckpoint.at >= checkpoint.everySeconds * 1000) {
      save(step + 1);
    }
  }
  return { steps, metrics, ...(resumed && { resumedFromStep: resumed.step }), damagedCheckpoints: damaged };
}
