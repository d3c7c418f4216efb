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
  server: samplerSchema
    .optional()
    .describe(
      "A server that samples the responses instead of the engine. It must serve the run's model. selm loads each round's " +
        "adapter through vLLM's API. The engine still computes the responses to held-out prompts, log-probabilities and " +
        'training. `batchSize` is ignored. Server samples are not reproducible, so `selm verify` skips them.',
    ),
});
