/**
 * Decoding as one graph: a Loop over tokens with the keys and values inside.
 *
 * ONNX Runtime's Node binding copies every output of a run: returning the cache for each token would cost more than the model. So
 * one run decodes several tokens, and the cache is in three blocks. That of the prompt, shared by its samples, and that of the tokens
 * of earlier runs are constants of the loop, never copied. Only the few tokens of this run are carried between iterations.
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
import { blockAttention, layoutOf, type Block, type Layout, type Sharing } from './decode-attention.ts';
import { keyName, valueName } from './prefill.ts';
import { logitScale, nextToken } from './sampling.ts';
import type { LlamaFolder } from '../../model-files/model.ts';

/** The decode graph's input for a layer's keys of the prompts. */
export const promptKey = (layer: number) => `prompt_${keyName(layer)}`;
/** The decode graph's input for a layer's values of the prompts. */
export const promptValue = (layer: number) => `prompt_${valueName(layer)}`;
/** The decode graph's input for a layer's keys of the tokens of earlier runs. */
export const pastKey = (layer: number) => `past_${keyName(layer)}`;
/** The decode graph's input for a layer's values of the tokens of earlier runs. */
export const pastValue = (layer: number) => `past_${valueName(layer)}`;

/**
 * Decodes up to `trips` tokens for B rows, which are samples of Q prompts; with one sample per prompt, B is Q. Ends early when all rows are
 * done.
 *
 * Inputs:
 * - `trips` int64 []; `uniforms` float32 [steps, B], the random numbers;
 * - `ids`, `positions` int64 [B, 1]: each row's last token, which is not in the cache yet, and its position;
 * - `prompt_mask` [Q, 1, P] and `past_mask` [B, 1, W], float32, which are added to the attention scores;
 * - for each layer `prompt_key_<l>`, `prompt_value_<l>` [Q, kvHeads, P, headDim] and `past_key_<l>`, `past_value_<l>`
 *   [B, kvHeads, W, headDim], float32;
 * - `scale` float32 [], the factor of the logits, unless the temperature is 0 or 1;
 * - with several samples per prompt: `row_prompts` int64 [B], the prompt of each row, and `to_prompts` and `to_rows` (see Sharing).
 *
 * Outputs, of the R tokens of this run: `tokens` int64 [R, B]; `logps` float32 [R, B], at temperature 1, in nats;
 * `key_<l>`, `value_<l>` [B, kvHeads, R, headDim].
 */
export function decodeGraph(
  model: LlamaFolder,
  adapter: Adapter | undefined,
  settings: SamplingSettings,
  eosIds: number[],
): Graph {
  const { config } = model;
  const { kvHeads, headDim, layers, heads } = config;
  const samples = settings.samplesPerPrompt;
  const group = heads / kvHeads;
  const B = samples === 1 ? 'Q' : 'B';
  const g = new Graph();
  const trips = g.input('trips', 'int64', []);
  const ids = g.input('ids', 'int64', [B, 1]);
  const positions = g.input('positions', 'int64', [B, 1]);
  const uniforms = g.input('uniforms', 'float32', ['steps', B]);
  const scale = logitScale(settings.temperature) === undefined ? undefined : g.input('scale', 'float32', []);
  const own = layoutOf(B, kvHeads, group);
  const shared = samples === 1 ? own : layoutOf('Q', kvHeads, samples * group);
  const sharing: Sharing | undefined =
    samples === 1
      ? undefined
      : {
          toPrompts: g.input('to_prompts', 'int64', [product(['Q', samples * heads])]),
          toRows: g.input('to_rows', 'int64', [product([B, heads])]),
        };
  const block = (owners: Dim, length: Dim, names: [string, string], layout: Layout): Block => {
    const [key, value] = names.map((name) => {
      const stored = g.input(name, 'float32', [owners, kvHeads, length, headDim]);
      return ops.reshape(g, stored, [...layout.keys, length, headDim]);
    });
    return { key, value, layout };
  };
  const layerNumbers = Array.from({ length: layers }, (_, layer) => layer);
  const prompts = layerNumbers.map((l) => ({ ...block('Q', 'P', [promptKey(l), promptValue(l)], shared), sharing }));
  const pasts = layerNumbers.map((l) => block(B, 'W', [pastKey(l), pastValue(l)], own));
  const masks = maskInputs(g, samples, own);
  const parameters = {
    ...policyParameters(g, model, adapter),
    weight: packedWeights(g, model),
    ...(settings.weights === 'q8' && { quantized: quantizedWeights(g, model) }),
  };
  const done = ops.cast(g, ops.zeros(g, [B]), 'bool');
  const empty = ops.zeros(g, [...own.keys, 0, headDim]);

  const recentShape: Shape = [...own.keys, 'R', headDim];
  const state = [ids, positions, done, ...layerNumbers.flatMap(() => [empty, empty])];
  const shapes = [ids.shape, positions.shape, done.shape, ...layerNumbers.flatMap(() => [recentShape, recentShape])];
  const { state: last, scan } = ops.loop(g, trips, state, shapes, 'T', (b, step, [ids, positions, done, ...recent]) => {
    const grown: Tensor[] = [];
    const mask = ops.concat(b, [masks, ops.zeros(b, [...masks.shape.slice(0, -1), 'R+1'])], -1);
    const attend: Attend = (b, layer, { query, key, value }) => {
      const [k, v] = [key, value].map((x, i) => {
        const written = ops.reshape(b, x, [...own.keys, 1, headDim]);
        return ops.concat(b, [recent[2 * layer + i], written], -2);
      });
      grown.push(k, v);
      const blocks = [prompts[layer], pasts[layer], { key: k, value: v, layout: own }];
      // Scaled before the reshape: directly before a product, ONNX Runtime would fuse the scale into it, and its products of one
      // row with a factor do not read the keys in place.
      const scaled = ops.mul(b, query, b.scalar(1 / Math.sqrt(headDim)));
      const queries = ops.reshape(b, scaled, [...own.queries, headDim]);
      const attended = blockAttention(b, queries, blocks, mask, own);
      return ops.reshape(b, attended, [B, heads * headDim]);
    };
    const hidden = transformer(b, config, parameters, ids, positions, attend);
    const logits = headLogits(b, config, parameters, hidden);
    const token = nextToken(b, logits, ops.gather(b, uniforms, step), settings, scale);
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
  for (const layer of layerNumbers) {
    for (const [i, name] of [keyName(layer), valueName(layer)].entries()) {
      const written = last[3 + 2 * layer + i];
      g.output(name, ops.reshape(g, written, [B, kvHeads, written.shape.at(-2)!, headDim]));
    }
  }
  return g;
}

/** What is added to the scores of prompts and pasts, float32 [B, 1..., P+W]. */
function maskInputs(g: Graph, samples: number, own: Layout): Tensor {
  const [B, ...others] = own.queries;
  const prompt = g.input('prompt_mask', 'float32', ['Q', 1, 'P']);
  const past = g.input('past_mask', 'float32', [B, 1, 'W']);
  const prompts = samples === 1 ? prompt : ops.gather(g, prompt, g.input('row_prompts', 'int64', [B]));
  return ops.reshape(g, ops.concat(g, [prompts, past], -1), [B, ...others.map(() => 1), 'P+W']);
}
