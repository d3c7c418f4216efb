/** Log-probabilities of a policy's answers under another policy. */
import type { SampledRecord } from '../data/records.ts';
import type { CallOptions, Engine, ScoreJob } from '../engine/jobs.ts';

/**
 * The log-probability of every answer under `policy`, token for token as it was sampled, by prompt.
 * An answer cut off by its length limit is scored as it stands.
 */
export async function scoreAnswers(
  engine: Engine,
  job: Pick<ScoreJob, 'policy' | 'threads'>,
  answered: SampledRecord[],
  options: CallOptions = {},
): Promise<number[][]> {
  const rows = answered.flatMap(({ prompt, responses }) => responses.map(({ token_ids }) => ({ prompt, response_input_ids: token_ids }))); // prettier-ignore
  const scores = await engine.run('score', { ...job, rows }, options);
  let next = 0;
  return answered.map(({ responses }) => responses.map(() => scores[next++].logp));
}
