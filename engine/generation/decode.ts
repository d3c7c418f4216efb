/**
 * Decoding as one graph: a Loop over tokens with the keys and values inside.
 *
 * Node's binding copies every output of a run, so a cache that crossed it each token would cost more than the model. The
 * cache is in three blocks: the prompt's (shared by the samples of a prompt) and what a sample wrote in earlier runs are
 * constants of the loop, never copied; only the few tokens of this run are carried from one iteration to the next.
 */
import * as ops from '../graph/ops.ts';
import { product } from '../graph/shape.ts';
import { Graph, type Dim, type Shape, type Tensor } from '../graph/tensor.ts';
import type { Adapter } from '../model/lora.ts';
import { packedWeights, type ModelFiles } from '../model/parameters.ts';
import { quantizedWeights } from '../model/quantize.ts';
import { headLogits, transformer, type Attend } from '../model/transformer.ts';
import { policyParameters } from '../policy.ts';
import type { SamplingSettings } from '../settings.ts';
import { keyName, valueName } from './prefill.ts';
import { nextToken } from './sampling.ts';

export const promptKey = (layer: number) => `prompt_${keyName(layer)}`;
export const promptValue = (layer: number) => `prompt_${valueName(layer)}`;
export const pastKey = (layer: number) => `past_${keyName(layer)}`;
export const pastValue = (layer: number) => `past_${valueName(layer)}`;

/** Keys and values of a block, [rows, kvHeads, length, headDim], and what is added to its scores, [rows, 1, 1, length]. */
interface Block {
  key: Tensor;
  value: Tensor;
  mask?: Tensor;
}

/**
 * Decodes up to `trips` tokens for B rows = Q prompts x n samples, samples of a prompt side by side. Ends early when all rows are done.
 *
 * Inputs: `trips` int64 scalar; `ids`, `positions` int64 [B, 1] (each row's last token, not in the cache yet, and its place);
 * `done` bool [B]; `uniforms` [steps, B]; `prompt_mask` [Q, 1, 1, P]; `past_mask` [B, 1, 1, W]; for each layer
 * `prompt_key/value_<l>` [Q, kvHeads, P, headDim] and `past_key/value_<l>` [B, kvHeads, W, headDim], of the target's cache type.
 * Outputs: `tokens` int64 [R, B], `logps` [R, B], `done` bool [B], `key_<l>`, `value_<l>` [B, kvHeads, R, headDim] of this run.
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
  const promptMask = g.input('prompt_mask', 'float32', ['Q', 1, 1, 'P']);
  const pastMask = g.input('past_mask', 'float32', [B, 1, 1, 'W']);
  const block = (rows: Dim, length: Dim, names: [string, string], mask: Tensor): Block => {
    const [key, value] = names.map((name) =>
      ops.cast(g, g.input(name, target.cache, [rows, kvHeads, length, headDim]), target.compute),
    );
    return { key, value, mask };
  };
  const layerNumbers = Array.from({ length: layers }, (_, layer) => layer);
  const prompts = layerNumbers.map((l) => block('Q', 'P', [promptKey(l), promptValue(l)], promptMask));
  const pasts = layerNumbers.map((l) => block(B, 'W', [pastKey(l), pastValue(l)], pastMask));
  const parameters = {
    ...policyParameters(g, model, adapter),
    weight: packedWeights(g, model, target.compute),
    ...(settings.weights === 'q8' && { quantized: quantizedWeights(g, model) }),
  };
  const empty = ops.zeros(g, [B, kvHeads, 0, headDim], target.compute);

  const recentShape: Shape = [B, kvHeads, 'R', headDim];
  const state = [ids, positions, done, ...layerNumbers.flatMap(() => [empty, empty])];
  const shapes = [ids.shape, positions.shape, done.shape, ...layerNumbers.flatMap(() => [recentShape, recentShape])];
  const { state: last, scan } = ops.loop(g, trips, state, shapes, 'T', (b, step, [ids, positions, done, ...recent]) => {
    const grown: Tensor[] = [];
    const attend: Attend = (b, layer, { query, key, value }) => {
      const current = {
        key: ops.concat(b, [recent[2 * layer], key], 2),
        value: ops.concat(b, [recent[2 * layer + 1], value], 2),
      };
      grown.push(current.key, current.value);
      // [B, heads, 1, d] to [B, kvHeads, group, d]: the queries that share a key head lie side by side.
      const grouped = ops.reshape(b, query, [B, kvHeads, group, headDim]);
      const attended = blockAttention(b, grouped, samples, prompts[layer], pasts[layer], current);
      return ops.reshape(b, attended, [B, heads * headDim]);
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
    g.output(keyName(layer), ops.cast(g, last[3 + 2 * layer], target.cache));
    g.output(valueName(layer), ops.cast(g, last[4 + 2 * layer], target.cache));
  }
  return g;
}

/**
 * One softmax, in float32, over three blocks of keys that are never joined in memory.
 * @param query [B, kvHeads, group, headDim]
 */
function blockAttention(b: Graph, query: Tensor, samples: number, prompt: Block, past: Block, recent: Block): Tensor {
  const [B, kvHeads, group, headDim] = query.shape as [Dim, number, number, number];
  const scale = 1 / Math.sqrt(headDim);
  const scores = (q: Tensor, { key, mask }: Block) => {
    const raw = ops.wide(b, ops.matmul(b, q, key, { transB: true, alpha: scale }));
    return mask ? ops.add(b, raw, mask) : raw;
  };
  // The samples of a prompt are rows of one product with its keys: [Q, kvHeads, samples * group, ...].
  const fold = (x: Tensor, width: Dim) => {
    const apart = ops.reshape(b, x, ['Q', samples, kvHeads, group, width]);
    return ops.reshape(b, ops.transpose(b, apart, [0, 2, 1, 3, 4]), ['Q', kvHeads, samples * group, width]);
  };
  const unfold = (x: Tensor, width: Dim) => {
    const apart = ops.reshape(b, x, ['Q', kvHeads, samples, group, width]);
    return ops.reshape(b, ops.transpose(b, apart, [0, 2, 1, 3, 4]), [B, kvHeads, group, width]);
  };
  const promptScores = samples === 1 ? scores(query, prompt) : unfold(scores(fold(query, headDim), prompt), 'P');
  const parts = [promptScores, scores(query, past), scores(query, recent)];
  const weights = ops.softmax(b, ops.concat(b, parts, 3));
  const [onPrompt, onPast, onRecent] = ops
    .split(
      b,
      weights,
      parts.map((part) => part.shape[3]),
      3,
    )
    .map((part) => ops.cast(b, part, query.type));
  const fromPrompt =
    samples === 1
      ? ops.matmul(b, onPrompt, prompt.value)
      : unfold(ops.matmul(b, fold(onPrompt, 'P'), prompt.value), headDim);
  const own = ops.add(b, ops.matmul(b, onPast, past.value), ops.matmul(b, onRecent, recent.value));
  return ops.add(b, fromPrompt, own);
}
