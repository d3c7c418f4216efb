/** Every graph that a model is computed with, in half precision. */
import { policyComparison } from '../../../../engine/onnx/divergence.ts';
import { decodeGraph } from '../../../../engine/onnx/generation/decode.ts';
import { prefillGraph } from '../../../../engine/onnx/generation/prefill.ts';
import { openPolicy, type OpenPolicy } from '../../../../engine/onnx/policy.ts';
import { scoringGraph } from '../../../../engine/onnx/score.ts';
import { objectiveSchema, samplingSchema } from '../../../../engine/protocol/settings.ts';
import { targetOf } from '../../../../engine/onnx/target.ts';
import { tokenScoringGraph } from '../../../../engine/onnx/token-scores.ts';
import { demonstrationTask } from '../../../../engine/onnx/training/demonstration.ts';
import { preferenceTask } from '../../../../engine/onnx/training/preference.ts';
import { microBatchGraph } from '../../../../engine/onnx/training/micro-batch.ts';
import { trainableAdapter, trainableModel } from '../../../../engine/onnx/training/trainable.ts';
import { referenceCase } from '../../reference-case.ts';
import type { GraphOfModel } from './onnx.ts';

export const CASES = ['llama', 'llama-tied', 'llama3-rope', 'qwen2', 'qwen3'];
export const HALF_TYPES = ['float16', 'bfloat16'] as const;
export type HalfType = (typeof HALF_TYPES)[number];

/** A policy of the reference fixture as it computes on CUDA, but on the CPU. Its weights are stored in float32. */
export function halfPolicy(name: string, compute: HalfType, withAdapter = true): OpenPolicy {
  const { model, policy } = referenceCase(name);
  const opened = openPolicy(withAdapter ? policy : { model });
  const target = { ...targetOf('cuda', compute === 'bfloat16' ? 'BF16' : 'F16'), device: 'cpu' as const };
  if (target.compute !== compute) throw new Error(`weights of ${compute} are computed with in ${target.compute}`);
  return { ...opened, model: { ...opened.model, target } };
}

const objective = (given: object) => preferenceTask([], objectiveSchema.parse(given));

/** All graphs of a model by what they are for. */
export function cudaGraphs(name: string, compute: HalfType): Map<string, GraphOfModel> {
  const { model, adapter, ...rest } = halfPolicy(name, compute);
  const policy = { ...rest, model, adapter: adapter! };
  const lora = trainableAdapter(model, policy.adapter);
  const selm = objective({});
  const decode = (settings: object) => decodeGraph(model, adapter, samplingSchema.parse(settings), model.config.eosIds);
  const graphs = {
    score: scoringGraph(policy),
    'token scores': tokenScoringGraph(policy),
    divergence: policyComparison(policy, { model }).graph,
    prefill: prefillGraph(model, adapter),
    'greedy decoding': decode({}),
    'sampling at a temperature': decode({ temperature: 0.7, samplesPerPrompt: 3 }),
    'top-k and top-p sampling': decode({ temperature: 0.7, topK: 5, topP: 0.9, samplesPerPrompt: 2 }),
    'top-p sampling': decode({ temperature: 0.7, topP: 0.9, samplesPerPrompt: 2 }),
    selm: microBatchGraph(model, lora, selm, false),
    'selm with recomputation': microBatchGraph(model, lora, selm, true),
    'selm, all weights': microBatchGraph(model, trainableModel(model), selm, false),
    ipo: microBatchGraph(model, lora, objective({ name: 'ipo' }), false),
    simpo: microBatchGraph(model, lora, objective({ name: 'simpo' }), false),
    xpo: microBatchGraph(model, lora, objective({ name: 'xpo' }), false),
    'supervised fine-tuning': microBatchGraph(model, lora, demonstrationTask([]), false),
  };
  return new Map(Object.entries(graphs).map(([use, graph]) => [use, { graph, dataFolder: model.dataFolder }]));
}
