/** KL(policy || reference policy) along responses of the policy, and its mean over prompts. */
import { z } from 'zod';
import type { SampledRecord } from '../data/records.ts';
import type { CallOptions, DivergenceJob, Engine } from '../engine/protocol/jobs.ts';
import { mean, sum } from '../data/numbers.ts';
import { bootstrapRatio, type Interval } from './statistics.ts';

/** For each response to a prompt: its KL divergence (nats), summed over its tokens, and its number of tokens. */
export const divergenceRowSchema = z.object({ id: z.string(), kl: z.array(z.number()), tokens: z.array(z.number()) });
/** The divergences of the responses to one prompt. */
export type DivergenceRow = z.infer<typeof divergenceRowSchema>;

/**
 * Measures the KL divergence along each response, on its sampled tokens.
 * @returns a row per prompt, in order
 */
export async function measureDivergence(
  engine: Engine,
  job: Omit<DivergenceJob, 'rows'>,
  answered: SampledRecord[],
  options: CallOptions = {},
): Promise<DivergenceRow[]> {
  const rows = answered.flatMap(({ prompt, prompt_input_ids: ids, responses }) =>
    responses.map(({ token_ids }) => ({
      ...(ids ? { prompt_input_ids: ids } : { prompt }),
      response_input_ids: token_ids,
    })),
  );
  const divergences = await engine.run('divergence', { ...job, rows }, options);
  let next = 0;
  return answered.map(({ id, responses }) => {
    const own = divergences.slice(next, (next += responses.length));
    return { id, kl: own.map(({ kl }) => kl), tokens: own.map(({ tokens }) => tokens) };
  });
}

/** Means of the KL divergence over responses and over tokens. */
export interface DivergenceSummary {
  /** Nats per response: the mean over all responses. */
  kl: number;
  /** Nats per token: the sum over all responses, divided by their tokens. */
  klPerToken: number;
}

/** The means with a bootstrap interval. */
export interface Divergence extends DivergenceSummary {
  /** 95% bootstrap interval of `kl`, over prompts. */
  klInterval: Interval;
}

/** The mean KL divergence per response and per token, in nats. */
export function summarizeDivergence(rows: DivergenceRow[]): DivergenceSummary {
  const [kl, tokens] = [rows.flatMap((row) => row.kl), sum(rows.flatMap((row) => row.tokens))];
  // All responses may be empty.
  return { kl: mean(kl), klPerToken: tokens === 0 ? 0 : sum(kl) / tokens };
}

/** The mean KL divergences, with a bootstrap interval over prompts. @param seed of the bootstrap */
export function divergenceOf(rows: DivergenceRow[], seed: number): Divergence {
  const sums = rows.map(({ kl }) => sum(kl));
  const counts = rows.map(({ kl }) => kl.length);
  return { ...summarizeDivergence(rows), klInterval: bootstrapRatio(sums, counts, seed) };
}
