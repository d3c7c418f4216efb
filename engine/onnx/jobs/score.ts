/** The jobs that compute log-probabilities and divergences of given responses. */
import { located } from '../../../data/errors.ts';
import type { ReferenceLogps } from '../../../data/records.ts';
import { checkSequenceLength } from '../../model-files/config.ts';
import type {
  DivergenceJob,
  DivergenceResult,
  ReferenceJob,
  ScoreJob,
  ScoreResult,
  TokenScoreJob,
  TokenScores,
} from '../../protocol/jobs.ts';
import { checkIds } from '../../tokens/checks.ts';
import { tokenizePreferences } from '../../tokens/preferences.ts';
import { tokenizeResponse, type TokenizedResponse } from '../../tokens/responses.ts';
import { DivergenceMeter } from '../divergence.ts';
import { openLlamaPolicy, type LlamaPolicy } from '../../tokens/policy.ts';
import { Scorer } from '../score.ts';
import { TokenScorer } from '../token-scores.ts';
import { logpsByRole, preferenceExamples } from '../training/preference.ts';
import { ALL_CORES, reporter, type JobContext } from './context.ts';

/** `EngineMethods.score`. */
export async function score(job: ScoreJob, context: JobContext): Promise<ScoreResult> {
  const opened = openLlamaPolicy(job.policy);
  const tokenized = job.rows.map((row, i) => located(`Row ${i + 1}`, () => tokenizeResponse(opened, row)));
  const logps = await scoreResponses(job, opened, tokenized, context);
  return tokenized.map(({ response, isPrefix }, i) => ({
    logp: logps[i],
    tokens: response.length,
    ...(!isPrefix && { isPrefix }),
  }));
}

/**
 * The log-probabilities of responses, in nats.
 * @param policy the opened policy's, whose session is kept open for further jobs
 */
export async function scoreResponses(
  { policy, threads = ALL_CORES }: Pick<ScoreJob, 'policy' | 'threads'>,
  opened: LlamaPolicy,
  rows: TokenizedResponse[],
  { control, sessions }: JobContext,
): Promise<Float64Array> {
  const scorer = await sessions.get('scorer', JSON.stringify([policy, threads]), () => Scorer.open(opened, threads));
  return scorer.score(rows, reporter(control, 'scoring', 'rows', rows.length));
}

/** `EngineMethods.reference`. The reference response is scored if a row has one, whether or not the objective will use it. */
export async function reference(job: ReferenceJob, context: JobContext): Promise<ReferenceLogps[]> {
  const opened = openLlamaPolicy(job.policy);
  const { rows } = await tokenizePreferences(opened, job.rows, job.limits, false, job);
  const examples = await preferenceExamples(rows, (responses) => scoreResponses(job, opened, responses, context));
  return examples.map(logpsByRole);
}

/** `EngineMethods.divergence`. */
export async function divergence(job: DivergenceJob, { control, sessions }: JobContext): Promise<DivergenceResult> {
  const { policy, reference: referencePolicy, threads = ALL_CORES } = job;
  const [opened, other] = [policy, referencePolicy].map(openLlamaPolicy);
  const rows = job.rows.map((row, i) =>
    located(`Row ${i + 1}`, () => {
      const tokenized = tokenizeResponse(opened, row);
      checkSequenceLength(other.model.config, tokenized.prompt.length + tokenized.response.length);
      return tokenized;
    }),
  );
  const key = JSON.stringify([policy, referencePolicy, threads]);
  const meter = await sessions.get('divergence', key, async () => {
    // Two models need twice the memory. So no other session stays open.
    if (policy.model !== referencePolicy.model) await sessions.clear();
    return DivergenceMeter.open(opened, other, threads);
  });
  return meter.measure(rows, reporter(control, 'the divergence', 'rows', rows.length));
}

/** `EngineMethods.scoreTokens`. */
export async function scoreTokens(job: TokenScoreJob, { control, sessions }: JobContext): Promise<TokenScores[][]> {
  const { policy, sequences, threads = ALL_CORES } = job;
  const opened = openLlamaPolicy(policy);
  for (const [i, ids] of sequences.entries()) {
    const { model } = opened;
    located(`Sequence ${i + 1}`, () => checkSequenceLength(model.config, checkIds(model, ids).length));
  }
  const scorer = await sessions.get('token scorer', JSON.stringify([policy, threads]), () =>
    TokenScorer.open(opened, threads),
  );
  const report = reporter(control, 'scoring', 'rows', sequences.length, 'sequences');
  return scorer.score(sequences, report, control.isCancelled);
}
