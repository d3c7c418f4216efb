/** How some work's prompts are answered, as both that measure it do it. */
import { samplingSchema, type SamplingSettings } from '../../engine/protocol/settings.ts';
import type { Work } from '../work.ts';

/** Ends no answer: all get as many tokens as are asked for, whatever they say. */
export const NO_TOKEN = -1;

export function samplingOf(work: Work, newTokens: number): SamplingSettings {
  const { temperature, topP, samplesPerPrompt, prompts, weights } = work;
  return samplingSchema.parse({
    maxNewTokens: newTokens,
    batchSize: prompts.length * samplesPerPrompt,
    temperature,
    topP,
    samplesPerPrompt,
    ...(weights !== 'f32' && { weights }),
  });
}
