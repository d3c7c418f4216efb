/** The jobs that compute log-probabilities, feature vectors and divergences of given responses. */
import { located } from '../../../data/errors.ts';
import type { ReferenceLogps } from '../../../data/records.ts';
import { FEATURES } from '../../features.ts';
import { checkSequenceLength } from '../../model-files/config.ts';
import { MatrixWriter } from '../../model-files/safetensors.ts';
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
import { tokenizeCut, tokenizeResponses, type TokenizedResponse } from '../../tokens/responses.ts';
import { referenceLogps } from '../../training/train-job.ts';
import { DivergenceMeter } from '../divergence.ts';
import { openLlamaPolicy, type LlamaPolicy } from '../../tokens/policy.ts';
import { Scorer } from '../score.ts';
import { TokenScorer } from '../token-scores.ts';
import { ALL_CORES, reporter, type JobContext } from './context.ts';

/** `EngineMethods.score`. */
export async function score(job: ScoreJob, context: JobContext): Promise<ScoreResult> {
  const opened = openLlamaPolicy(job.policy);
  const tokenized = (job.cut ? tokenizeCut : tokenizeResponses)(opened, job.rows);
  const { hiddenSize } = opened.model.config;
  const file = job.features ? new MatrixWriter(job.features, FEATURES, [tokenized.length, hiddenSize]) : undefined;
  const write = file && ((row: number, features: Float32Array) => file.write(row, features));
  const logps = await scoreResponses(job, opened, tokenized, context, write).finally(() => file?.close());
  return tokenized.map(({ response, isPrefix, isCut }, i) => ({
    logp: logps[i],
    tokens: response.length,
    ...(!isPrefix && { isPrefix }),
    ...(isCut && { isCut }),
  }));
}

/**
 * The log-probabilities of responses, in nats.
 * @param policy the opened policy's, whose session is kept open for further jobs
 * @param onFeatures gets each row's feature vector. Default: they are not computed
 */
export async function scoreResponses(
  { policy, threads = ALL_CORES }: Pick<ScoreJob, 'policy' | 'threads'>,
  opened: LlamaPolicy,
  rows: TokenizedResponse[],
  { control, sessions }: JobContext,
  onFeatures?: (row: number, features: Float32Array) => void,
): Promise<Float64Array> {
  const withFeatures = onFeatures !== undefined;
  const scorer = await sessions.get('scorer', JSON.stringify([policy, threads, withFeatures]), () =>
    Scorer.open(opened, threads, withFeatures),
  );
  return scorer.score(rows, reporter(control, 'scoring', 'rows', rows.length), onFeatures);
}

/** `EngineMethods.reference`. */
export async function reference(job: ReferenceJob, context: JobContext): Promise<ReferenceLogps[]> {
  const opened = openLlamaPolicy(job.policy);
  return referenceLogps(job, opened, (_, responses) => scoreResponses(job, opened, responses, context));
}

/** `EngineMethods.divergence`. */
export async function divergence(job: DivergenceJob, { control, sessions }: JobContext): Promise<DivergenceResult> {
  const { policy, reference: referencePolicy, threads = ALL_CORES } = job;
  const [opened, other] = [policy, referencePolicy].map(openLlamaPolicy);
  const rows = tokenizeResponses(opened, job.rows, other.model);
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
