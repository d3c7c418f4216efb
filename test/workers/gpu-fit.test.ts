/** What the doctor says of a run on GPUs is what vLLM's start decides. */
import { expect, test } from 'vitest';
import { parameterCount } from '../../engine/estimate.ts';
import { llamaDimensions } from '../../engine/model-files/dimensions.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { parallelismFor } from '../../engine/vllm/arguments.ts';
import { unfitOn } from '../../workers/machine/gpu-fit.ts';
import { testConfig } from '../workflows/stand-ins.ts';

const mistral = llamaDimensions(knownModels['mistralai/Mistral-7B-v0.1']);
const lora = testConfig({ optimize: { microBatchTokens: 1024, maxLength: 1024, recompute: true } });
const gpus = (count: number, memory: number) => Array.from({ length: count }, () => ({ name: 'a GPU', memory }));

test.each([
  // 14.5 GB of weights: more than eight tenths of one GPU, which four of them divide.
  [32, 4, 10e9, undefined],
  // Nine heads are not divided by two, and all weights are more than eight tenths of one GPU.
  [
    9,
    2,
    18e9,
    "vLLM needs room for 14.5 GB of weights on 2 GPUs, which divide the model's 9 attention heads, and a GPU has 18.0 GB",
  ],
])('%i heads on %i GPUs of %d bytes', (heads, count, memory, why) => {
  const model = { ...mistral, heads };
  expect(unfitOn(gpus(count, memory), lora, model)?.why).toBe(why);
  const start = () => parallelismFor(2 * parameterCount(model), heads, Array<number>(count).fill(memory));
  if (why === undefined) expect(start()).toMatchObject({ tensor: 4 });
  else expect(start).toThrow(/do not fit on 2 GPUs of 18.0 GB/);
});
