/** Sampling settings of a work, shared by the measurement (selm_peer.ts) and the profile (selm_profile.ts). */
import { samplingSchema, type SamplingSettings } from '../../engine/protocol/settings.ts';
import type { Work } from '../work.ts';

/** A stop token that no model generates: every response gets exactly the requested number of tokens. */
export const NO_TOKEN = -1;

/** The sampling settings for a work: one batch with all rows. */
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
