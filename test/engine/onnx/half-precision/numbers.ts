/** Comparing vectors, and greedy decoding by ONNX's evaluator. */
import { HIDDEN } from '../../../../engine/onnx/model/attention-block.ts';
import { decodeGraph, pastKey, pastValue, promptKey, promptValue } from '../../../../engine/onnx/generation/decode.ts';
import { keyName, prefillGraph, valueName } from '../../../../engine/onnx/generation/prefill.ts';
import { packTokens } from '../../../../engine/onnx/packing.ts';
import { adapterFeeds, type OpenPolicy } from '../../../../engine/onnx/policy.ts';
import { bool, float32, int64 } from '../../../../engine/onnx/session.ts';
import { samplingSchema } from '../../../../engine/protocol/settings.ts';
import { computeByOnnx } from './onnx.ts';

/** Of the angle between two vectors; 1 for two zeros. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    ab += x * b[i];
    aa += x * x;
    bb += b[i] * b[i];
  }
  return aa === 0 && bb === 0 ? 1 : ab / Math.sqrt(aa * bb);
}

/** The likeliest tokens after a prompt: its prefill, then one run of the decode graph. */
export async function greedyByOnnx(
  scratch: string,
  { model, adapter }: OpenPolicy,
  prompt: number[],
  count: number,
): Promise<number[]> {
  const { config, dataFolder } = model;
  const { layers, kvHeads, headDim } = config;
  const read = prompt.length - 1;
  const { feeds } = packTokens([{ prompt: prompt.slice(0, -1), responses: [] }]);
  const matrices = adapterFeeds(adapter);
  const cache = await computeByOnnx(
    scratch,
    { graph: prefillGraph(model, adapter), dataFolder },
    { ...feeds, ...matrices },
  );
  const blocks = Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) => [
    [promptKey(layer), float32(cache.get(keyName(layer))!, [1, kvHeads, 1, read, headDim])],
    [promptValue(layer), float32(cache.get(valueName(layer))!, [1, kvHeads, 1, read, headDim])],
    // The last place of what came before is hidden: ONNX's evaluator does not take a block of none.
    ...[pastKey, pastValue].map((name) => [
      name(layer),
      float32(new Float32Array(kvHeads * headDim), [1, kvHeads, 1, 1, headDim]),
    ]),
  ]);
  const graph = decodeGraph(model, adapter, samplingSchema.parse({}), config.eosIds);
  const outputs = await computeByOnnx(
    scratch,
    { graph, dataFolder },
    {
      ...matrices,
      ...Object.fromEntries(blocks),
      trips: int64([count], []),
      ids: int64([prompt.at(-1)!], [1, 1]),
      positions: int64([read], [1, 1]),
      done: bool(Uint8Array.of(0), [1]),
      uniforms: float32(new Float32Array(count), [count, 1]),
      prompt_mask: float32(new Float32Array(read), [1, 1, read]),
      past_mask: float32(Float32Array.of(HIDDEN), [1, 1, 1]),
    },
  );
  return [...outputs.get('tokens')!];
}
