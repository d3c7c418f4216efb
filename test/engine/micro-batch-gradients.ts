/** The gradients of one batch before the first update. */
import { expect } from 'vitest';
import { packGroups } from '../../engine/onnx/packing.ts';
import type { LlamaPolicy } from '../../engine/tokens/policy.ts';
import type { Graph } from '../../engine/onnx/graph/tensor.ts';
import { float32, scalar, Session, type Feeds } from '../../engine/onnx/session.ts';
import { openSafetensors, readTensorF32 } from '../../engine/model-files/safetensors.ts';
import type { TrainingTask } from '../../engine/onnx/training/task.ts';
import type { Example } from '../../engine/training/groups.ts';
import { microBatchGraph } from '../../engine/onnx/training/micro-batch.ts';
import { trainableAdapter, trainableModel } from '../../engine/onnx/training/trainable.ts';

/** The graph of one micro-batch with all of a task's examples, and its inputs. */
export function oneMicroBatch<E extends Example>(
  { model, adapter }: Pick<LlamaPolicy, 'model' | 'adapter'>,
  task: TrainingTask<E>,
  recompute = false,
): { graph: Graph; feeds: Feeds; parameters: string[] } {
  const trainable = adapter ? trainableAdapter(model, adapter) : trainableModel(model);
  const groups = task.examples.map(({ group }) => group);
  const sequences = groups.reduce((total, { responses }) => total + responses.length, 0);
  const zeros = trainable.parameters.map(({ name, shape }) => [
    `gradient.${name}`,
    float32(new Float32Array(shape.reduce((a, b) => a * b)), shape),
  ]);
  const feeds = {
    ...packGroups(groups, model.config.vocabSize).feeds,
    ...task.feeds(task.examples),
    ...trainable.values,
    ...Object.fromEntries(zeros),
    sequences: float32(new Float32Array(sequences), [sequences]),
    scale: scalar(task.scale(task.examples)),
  };
  const graph = microBatchGraph(model, trainable, task, recompute);
  return { graph, feeds, parameters: trainable.parameters.map(({ name }) => name) };
}

/** @returns gradients of the adapter's matrices, or of all weights where there is no adapter, by name */
export async function microBatchGradients<E extends Example>(
  opened: Pick<LlamaPolicy, 'model' | 'adapter'>,
  task: TrainingTask<E>,
  recompute = false,
): Promise<Map<string, Float32Array>> {
  const { graph, feeds, parameters } = oneMicroBatch(opened, task, recompute);
  const session = await Session.open(graph, { folder: opened.model.dataFolder, threads: 2 });
  const outputs = await session.run(feeds);
  await session.close();
  return new Map(parameters.map((name) => [name, outputs[`gradient.${name}`].data as Float32Array]));
}

/** Compares gradients with those that PyTorch left in a file under PEFT's names: each to a thousandth of its matrix's largest. */
export function expectGradients(gradients: Map<string, Float32Array>, file: string): void {
  const truth = openSafetensors(file);
  expect(gradients.size).toBe(truth.size);
  for (const [key, entry] of truth) {
    const wanted = readTensorF32(entry);
    const actual = gradients.get(key.replace('base_model.model.', '').replace('.weight', ''))!;
    const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i])), 0);
    expect(worst / largest, key).toBeLessThan(1e-3);
  }
}
