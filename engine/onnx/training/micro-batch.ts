/** Micro-batches: the forward and backward pass over part of a batch, whose gradients add up to those of the whole batch. */
import { gradient } from '../graph/gradient.ts';
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import type { LlamaFolder } from '../../model-files/model.ts';
import type { Example } from '../../training/groups.ts';
import { packGroups, planBatches } from '../packing.ts';
import { sequenceLogps } from '../sequences.ts';
import { float32, scalar, type Session } from '../session.ts';
import type { AdamW } from './adamw.ts';
import type { TrainingTask } from './task.ts';
import type { Trainable } from './trainable.ts';

/**
 * The graph of one micro-batch.
 *
 * Inputs: those of packGroups() and of the task; the parameters, and `gradient.<parameter>` what was accumulated before, float32;
 * `sequences` float32 [N], for the number of responses; `scale` [], see TrainingTask. Outputs: `loss` [], `logps` [N] of the
 * responses, and `gradient.<parameter>` with this micro-batch's gradients added.
 * @param recompute whether the backward pass computes each layer's activations again (less memory, more time)
 */
export function microBatchGraph<E extends Example>(
  model: LlamaFolder,
  trainable: Trainable,
  task: TrainingTask<E>,
  recompute: boolean,
): Graph {
  const g = new Graph();
  const trained = new Map(trainable.parameters.map(({ name, shape }) => [name, g.input(name, 'float32', shape)]));
  const sequences = g.input('sequences', 'float32', ['N']);
  const { logps } = sequenceLogps(g, model.config, trainable.bind(g, trained), sequences, { recompute });
  const loss = ops.mul(g, task.loss(g, logps), g.input('scale', 'float32', []));
  const wrt = trainable.parameters.map(({ name }) => trained.get(name)!);
  const onto = new Map(wrt.map((p) => [p, g.input(`gradient.${p.name}`, 'float32', p.shape)]));
  g.output('loss', loss);
  g.output('logps', logps);
  for (const [i, sum] of gradient(g, loss, wrt, onto).entries()) g.output(`gradient.${wrt[i].name}`, sum);
  return g;
}

/** What a batch's micro-batches gave. */
export interface BatchResult {
  loss: number;
  /** Log-probabilities of each example's responses, in nats, under the weights before the step. */
  logps: number[][];
  /** Tokens computed. */
  tokens: number;
}

/**
 * Runs a batch in micro-batches and adds its gradients to the optimizer's.
 * @param session of microBatchGraph()
 * @param microBatchTokens most tokens of a micro-batch, unless a single example is longer
 * @param beforeEach called before each micro-batch; what it throws ends the batch
 */
export async function accumulateGradients<E extends Example>(
  session: Session,
  optimizer: AdamW,
  task: TrainingTask<E>,
  batch: E[],
  { vocabSize, microBatchTokens }: { vocabSize: number; microBatchTokens: number },
  beforeEach: () => void,
): Promise<BatchResult> {
  const scale = scalar(task.scale(batch));
  const groups = batch.map(({ group }) => group);
  const result: BatchResult = { loss: 0, logps: batch.map(() => []), tokens: 0 };
  for (const indices of planBatches(groups, microBatchTokens)) {
    beforeEach();
    const microBatch = indices.map((i) => batch[i]);
    const microGroups = indices.map((i) => groups[i]);
    const packed = packGroups(microGroups, vocabSize);
    const sequences = microGroups.reduce((total, { responses }) => total + responses.length, 0);
    const feeds = {
      ...packed.feeds,
      ...task.feeds(microBatch),
      ...optimizer.values,
      ...optimizer.gradients,
      sequences: float32(new Float32Array(sequences), [sequences]),
      scale,
    };
    const outputs = await session.run(feeds, optimizer.gradients);
    result.loss += (outputs['loss'].data as Float32Array)[0];
    result.tokens += packed.tokens;
    const logps = outputs['logps'].data as Float32Array;
    let next = 0;
    for (const i of indices) {
      const end = next + groups[i].responses.length;
      result.logps[i] = [...logps.subarray(next, end)];
      next = end;
    }
  }
  return result;
}
