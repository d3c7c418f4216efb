/** How responses to a benchmark's prompts are sampled. Workflows import this file: it loads no schema and no file. */
import type { SamplingSettings } from '../../engine/protocol/settings.ts';

/** One response to each prompt, without truncation of the distribution. */
export const benchmarkSampling = ({
  temperature,
  maxNewTokens,
  batchSize,
}: Pick<SamplingSettings, 'temperature' | 'maxNewTokens' | 'batchSize'>): SamplingSettings => ({
  samplesPerPrompt: 1,
  temperature,
  topP: 1,
  topK: 0,
  maxNewTokens,
  batchSize,
  weights: 'f32',
});
