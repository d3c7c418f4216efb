/**
 * Decoding as one graph: a Loop over tokens with the keys and values inside.
 *
 * Node's binding copies every output of a run, so a cache that crossed it each token would cost more than the model. The
 * cache is in three blocks: the prompt's (shared by the samples of a prompt) and what a sample wrote in earlier runs are
 * constants of the loop, never copied; only the few tokens of this run are carried from one iteration to the next.
 */
import * as ops from '../graph/ops.ts';
import { product, type Dim, type Shape } from '../graph/shape.ts';
import { Graph, type Tensor } from '../graph/tensor.ts';
import type { Adapter } from '../../model-files/lora.ts';
import { packedWeights } from '../model/parameters.ts';
import { quantizedWeights } from '../model/quantize.ts';
import { headLogits, transformer, type Attend } from '../model/transformer.ts';
import { policyParameters } from '../policy.ts';
import type { SamplingSettings } from '../../protocol/settings.ts';
import { keyName, valueName } from './prefill.ts';
import { nextToken } from './sampling.ts';
import type { ModelFiles } from '../model/model-files.ts';

export const promptKey = (layer: number) => `prompt_${keyName(layer)}`;
export const promptValue = (layer: number) => `prompt_${valueName(layer)}`;
export const pastKey = (layer: number) => `past_${keyName(layer)}`;
export const pastValue = (layer: number) => `past_${valueName(layer)}`;

/** Keys and values of a block: [...layout.keys, length, headDim]. */
interface Block {
  key: Tensor;
  value: Tensor;
  layout: Layout;
}

/** The axes before the last two of products of queries and keys. */
interface Layout {
  queries: Dim[];
  keys: Dim[];
}

/**
 * Up to so many queries of the same keys are multiplied with them one after the other: such a product reads the keys where they
 * are, while one of matrices first copies them into its own order.
 */
const MOST_ALONE = 4;

/**
 * @param owners blocks of a prompt
 * @param sharers queries that see the same block
 */
const layoutOf = (kvHeads: number, owners: number, sharers: number): Layout =>
  sharers <= MOST_ALONE
    ? { queries: ['Q', kvHeads, owners, sharers, 1], keys: ['Q', kvHeads, owners, 1] }
    : { queries: ['Q', kvHeads, owners, sharers], keys: ['Q', kvHeads, owners] };

/**
 * Decodes up to `trips` tokens for B rows = Q prompts x n samples, samples of a prompt side by side. Ends early when all rows are done.
 *
 * Inputs: `trips` int64 scalar; `ids`, `positions` int64 [B, 1] (each row's last token, not in the cache yet, and its place);
 * `done` bool [B]; `uniforms` [steps, B]; `prompt_mask` [Q, 1, P]; `past_mask` [Q, n, W]; for each layer
 * `prompt_key/value_<l>` [Q, kvHeads, 1, P, headDim] and `past_key/value_<l>` [Q, kvHeads, n, W, headDim], of the target's cache type.
 * Outputs: `tokens` int64 [R, B], `logps` [R, B], `done` bool [B], `key_<l>`, `value_<l>` [Q, kvHeads, n, R, headDim] of this run.
 */
export function decodeGraph(
  model: ModelFiles,
  adapter: Adapter | undefined,
  settings: SamplingSettings,
  eosIds: number[],
): Graph {
  const { config, target } = model;
  const { kvHeads, headDim, layers, heads } = config;
  const samples = settings.samplesPerPrompt;
  const group = heads / kvHeads;
  const B = product(['Q', samples]);
  const g = new Graph();
  const trips = g.input('trips', 'int64', []);
  const ids = g.input('ids', 'int64', [B, 1]);
  const positions = g.input('positions', 'int64', [B, 1]);
  const done = g.input('done', 'bool', [B]);
  const uniforms = g.input('uniforms', 'float32', ['steps', B]);
  const shared = layoutOf(kvHeads, 1, samples * group);
  const own = layoutOf(kvHeads, samples, group);
  const block = (length: Dim, names: [string, string], owners: number, layout: Layout): Block => {
    const [key, value] = names.map((name) => {
      const stored = g.input(name, target.cache, ['Q', kvHeads, owners, length, headDim]);
      return ops.reshape(g, ops.cast(g, stored, target.compute), [...layout.keys, length, headDim]);
    });
    return { key, value, layout };
  };
  const layerNumbers = Array.from({ length: layers }, (_, layer) => layer);
  const prompts = layerNumbers.map((l) => block('P', [promptKey(l), promptValue(l)], 1, shared));
  const pasts = layerNumbers.map((l) => block('W', [pastKey(l), pastValue(l)], samples, own));
  const masks = maskInputs(g, samples, own);
  const parameters = {
    ...policyParameters(g, model, adapter),
    weight: packedWeights(g, model, target.compute),
    ...(settings.weights === 'q8' && { quantized: quantizedWeights(g, model) }),
  };
  const empty = ops.zeros(g, [...own.keys, 0, headDim], target.compute);

  const recentShape: Shape = [...own.keys, 'R', headDim];
  const state = [ids, positions, done, ...layerNumbers.flatMap(() => [empty, empty])];
  const shapes = [ids.shape, positions.shape, done.shape, ...layerNumbers.flatMap(() => [recentShape, recentShape])];
  const { state: last, scan } = ops.loop(g, trips, state, shapes, 'T', (b, step, [ids, positions, done, ...recent]) => {
    const grown: Tensor[] = [];
    const mask = ops.concat(b, [masks, ops.zeros(b, [...masks.shape.slice(0, -1), 'R+1'])], -1);
    const attend: Attend = (b, layer, { query, key, value }) => {
      const [k, v] = [key, value].map((x, i) => {
        const written = bySample(b, x, samples, kvHeads, 1, [...own.keys, 1, headDim]);
        return ops.concat(b, [recent[2 * layer + i], written], -2);
      });
      grown.push(k, v);
      const blocks = [prompts[layer], pasts[layer], { key: k, value: v, layout: own }];
      // Scaled before they are laid out: next to a product ONNX Runtime would make it the product's factor, and those of one row
      // with a factor are not computed where the keys are.
      const scaled = ops.mul(b, query, ops.cast(b, b.scalar(1 / Math.sqrt(headDim)), query.type));
      const queries = bySample(b, scaled, samples, kvHeads, group, [...own.queries, headDim]);
      const attended = blockAttention(b, queries, blocks, mask, own);
      return ops.reshape(b, byRow(b, attended, samples, kvHeads, group), [B, heads * headDim]);
    };
    const hidden = transformer(b, config, parameters, ids, positions, attend);
    const logits = headLogits(b, config, parameters, hidden);
    const token = nextToken(b, logits, ops.gather(b, uniforms, step), settings);
    const logp = ops.gatherColumns(b, ops.logSoftmax(b, logits), ops.unsqueeze(b, token, 1));
    const ended = ops.reduceMax(
      b,
      ops.cast(b, ops.equal(b, ops.unsqueeze(b, token, 1), b.ints(eosIds, [1, eosIds.length])), 'int32'),
      -1,
      false,
    );
    const nowDone = ops.or(b, done, ops.cast(b, ended, 'bool'));
    const allDone = ops.reduceMin(b, ops.cast(b, nowDone, 'int32'), 0, false);
    return {
      again: ops.not(b, ops.cast(b, allDone, 'bool')),
      state: [ops.unsqueeze(b, token, 1), ops.add(b, positions, b.ints([1])), nowDone, ...grown],
      scan: [token, ops.reshape(b, logp, [B])],
    };
  });
  g.output('tokens', scan[0]);
  g.output('logps', scan[1]);
  g.output('done', last[2]);
  for (const layer of layerNumbers) {
    for (const [i, name] of [keyName(layer), valueName(layer)].entries()) {
      const written = last[3 + 2 * layer + i];
      const shape = ['Q', kvHeads, samples, written.shape.at(-2)!, headDim];
      g.output(name, ops.cast(g, ops.reshape(g, written, shape), target.cache));
    }
  }
  return g;
}

/** What is added to the scores of prompts and pasts, float32 [Q, 1, samples, 1..., P+W]. */
function maskInputs(g: Graph, samples: number, own: Layout): Tensor {
  const prompt = g.input('prompt_mask', 'float32', ['Q', 1, 'P']);
  const past = g.input('past_mask', 'float32', ['Q', samples, 'W']);
  const masks = ops.concat(g, [ops.expand(g, prompt, ['Q', samples, 'P']), past], -1);
  return ops.reshape(g, masks, ['Q', 1, samples, ...own.queries.slice(3).map(() => 1), 'P+W']);
}

/** Heads of rows, [Q*samples, kvHeads*group, 1, headDim], with the samples of a prompt next to the queries of a head. */
function bySample(b: Graph, x: Tensor, samples: number, kvHeads: number, group: number, shape: Shape): Tensor {
  if (samples === 1) return ops.reshape(b, x, shape);
  const apart = ops.reshape(b, x, ['Q', samples, kvHeads, group, x.shape[3]]);
  return ops.reshape(b, ops.transpose(b, apart, [0, 2, 1, 3, 4]), shape);
}

/** The way back: rows with their heads. */
function byRow(b: Graph, x: Tensor, samples: number, kvHeads: number, group: number): Tensor {
  if (samples === 1) return x;
  const apart = ops.reshape(b, x, ['Q', kvHeads, samples, group, x.shape.at(-1)!]);
  return ops.transpose(b, apart, [0, 2, 1, 3, 4]);
}

/**
 * One softmax, in float32, over blocks of keys that are never joined in memory.
 * @param query scaled, [...own.queries, headDim]
 * @param mask added to all scores
 * @param own how scores of all blocks lie
 * @returns [...own.queries, headDim]
 */
function blockAttention(b: Graph, query: Tensor, blocks: Block[], mask: Tensor, own: Layout): Tensor {
  const scores = blocks.map(({ key, layout }) => {
    const product = ops.matmul(b, laidOut(b, query, layout), key, { transB: true });
    return laidOut(b, ops.toFloat32(b, product), own);
  });
  const weights = ops.softmax(b, ops.add(b, ops.concat(b, scores, -1), mask));
  const lengths = scores.map(({ shape }) => shape.at(-1)!);
  const attended = ops.split(b, weights, lengths, -1).map((part, i) => {
    const { value, layout } = blocks[i];
    return laidOut(b, ops.matmul(b, laidOut(b, ops.cast(b, part, query.type), layout), value), own);
  });
  return attended.reduce((sum, part) => ops.add(b, sum, part));
}

const laidOut = (b: Graph, x: Tensor, { queries }: Layout): Tensor => {
  const shape = [...queries, x.shape.at(-1)!];
  return shape.join() === x.shape.join() ? x : ops.reshape(b, x, shape);
};
