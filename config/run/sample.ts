/** The section `sample` of a run: how the policy responds to the prompts of a round. */
import { z } from 'zod';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { samplerSchema } from '../../openai/client/sampler-settings.ts';

export const shardSize = z
  .int()
  .positive()
  .default(256)
  .describe('Prompts per activity; activities run on all workers in parallel.');

export const sampleSchema = samplingSchema.extend({
  shardSize,
  backend: z
    .enum(['onnx', 'vllm'])
    .optional()
    .describe(
      'What samples the responses to the prompts of a round and to the held-out prompts: `onnx` (ONNX Runtime), or `vllm`: each GPU ' +
        'worker starts vLLM on its GPUs, with the adapter or all weights of the policy, and stops it before training. ' +
        '`batchSize` is then ignored, and `selm verify` skips these samples: vLLM is not reproducible bit by bit. ' +
        'Default: `vllm` with `backend: torch` on `device: cuda`, else `onnx`.',
    ),
  vllm: z
    .strictObject({
      args: z
        .array(z.string())
        .default([])
        .describe(
          "Further arguments of `vllm serve`, which replace selm's own: `[--max-model-len, '8192']`, `[--quantization, fp8]`. " +
            'If they change, the samples are computed again.',
        ),
    })
    .optional()
    .describe('Settings of `backend: vllm`.'),
  server: samplerSchema
    .optional()
    .describe(
      'A server that samples the responses to the prompts of a round and to the held-out prompts, instead of the workers. It must serve ' +
        "the run's model; selm loads each round's adapter through vLLM's API. Workers train and compute the KL divergence, and the " +
        'log-probabilities unless `logprobs` is true. `batchSize` is ignored. Server samples are not reproducible, so `selm verify` ' +
        'skips them.',
    ),
});
