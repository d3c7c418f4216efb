/** The jobs that compute log-probabilities and divergences of given responses, and PairRM's comparisons. */
import type { ReferenceLogps } from '../../data/records.ts';
import { scoringTokens, type ComputeSettings } from '../protocol/compute.ts';
import type {
  DivergenceJob,
  DivergenceResult,
  Policy,
  RankJob,
  ReferenceJob,
  ResponseDivergence,
  ScoreJob,
  ScoreResult,
  Scores,
} from '../protocol/jobs.ts';
import { readPairRmConfig } from '../rankers/deberta-config.ts';
import { PairTokenizer } from '../rankers/pair-text.ts';
import { encodePairs, logitsOf, scoresOf } from '../rankers/pairs.ts';
import { checkSameVocabulary } from '../tokens/checks.ts';
import { openPolicyFiles } from '../tokens/policy.ts';
import { tokenizeCut, tokenizeResponses, type TokenizedResponse } from '../tokens/responses.ts';
import { groupByPrompt, type Group } from '../training/groups.ts';
import { referenceLogps } from '../training/train-job.ts';
import { compute, reporter, type JobContext } from './context.ts';

/** `EngineMethods.score`. */
export async function score(job: ScoreJob, context: JobContext): Promise<ScoreResult> {
  const tokenized = (job.cut ? tokenizeCut : tokenizeResponses)(openPolicyFiles(job.policy), job.rows);
  const logps = await scoreResponses('score', job, job.policy, tokenized, context, job.features);
  return tokenized.map(({ response, isPrefix, isCut }, i) => ({
    logp: logps[i],
    tokens: response.length,
    ...(!isPrefix && { isPrefix }),
    ...(isCut && { isCut }),
  }));
}

/** `EngineMethods.reference`. */
export async function reference(job: ReferenceJob, context: JobContext): Promise<ReferenceLogps[]> {
  return referenceLogps(job, openPolicyFiles(job.policy), (policy, responses) =>
    scoreResponses('reference', job, policy, responses, context),
  );
}

/**
 * The log-probabilities of responses under a policy, in nats.
 * @param name of the job, for errors
 * @param features a file for the responses' feature vectors. Default: they are not computed
 */
export async function scoreResponses(
  name: string,
  settings: ComputeSettings,
  policy: Policy,
  responses: TokenizedResponse[],
  context: JobContext,
  features?: string,
): Promise<Float64Array> {
  const logps = new Float64Array(responses.length);
  const results = await computeGrouped<{ logps: number[][] }>(
    name,
    settings,
    { method: 'score', ...folders(policy), ...(features && { features: { file: features, rows: responses.length } }) },
    responses,
    context,
  );
  for (const [i, logp] of results(({ logps: values }) => values)) logps[i] = logp;
  return logps;
}

/** `EngineMethods.divergence`. */
export async function divergence(job: DivergenceJob, context: JobContext): Promise<DivergenceResult> {
  const [opened, other] = [job.policy, job.reference].map(openPolicyFiles);
  checkSameVocabulary(opened.model, other.model);
  const rows = tokenizeResponses(opened, job.rows, other.model);
  const measured = rows.map(({ response }): ResponseDivergence => ({ kl: 0, tokens: response.length }));
  const { model: referenceModel, adapter: referenceAdapter } = folders(job.reference);
  const results = await computeGrouped<{ rows: ResponseDivergence[][] }>(
    'divergence',
    job,
    { method: 'divergence', ...folders(job.policy), referenceModel, referenceAdapter },
    rows,
    context,
  );
  for (const [i, value] of results(({ rows: values }) => values)) measured[i] = value;
  return measured;
}

const folders = ({ model, adapter }: Policy) => ({ model, adapter: adapter ?? null });

/**
 * Computes something of each response; a prompt is computed once for its responses. Responses without tokens are left out, unless the
 * job is for feature vectors too, which they have.
 * @returns a function that pairs the values of the groups' responses with the indices of their rows
 */
async function computeGrouped<V>(
  name: string,
  settings: ComputeSettings,
  job: {
    method: 'score' | 'divergence';
    features?: object;
    model: string;
    adapter: string | null;
    [field: string]: unknown;
  },
  responses: TokenizedResponse[],
  context: JobContext,
): Promise<<T>(of: (value: V) => T[][]) => [row: number, value: T][]> {
  const microBatchTokens = scoringTokens(settings);
  const written = responses.flatMap(({ response }, i) => (response.length > 0 || job.features ? [i] : []));
  const { groups, members } = groupByPrompt(
    written.map((i) => responses[i]),
    microBatchTokens,
  );
  const rows = members.map((indices) => indices.map((i) => written[i]));
  if (groups.length === 0 && !job.features) return () => [];
  const report = reporter(context.control, 'rows', responses.length);
  const value = (await compute(
    name,
    settings,
    { ...job, microBatchTokens },
    groups.map((group, g) => asRow(group, rows[g])),
    await context.ranks(settings),
    context.control,
    report,
  )) as V;
  return (of) =>
    of(value).flatMap((values, g) => values.map((one, r): [number, (typeof values)[number]] => [rows[g][r], one]));
}

/** A group as the ranks read it. @param rows the indices of its responses in the job */
const asRow = ({ prompt, responses, trained }: Group, rows: number[]) => ({
  prompt,
  responses,
  rows,
  ...(trained?.some(Boolean) && { trained: trained.map((flags, i) => flags ?? responses[i].map(() => true)) }),
});

/** `EngineMethods.rank`. */
export async function rank(job: RankJob, context: JobContext): Promise<Scores> {
  const config = readPairRmConfig(job.model);
  const { pairs, cut } = encodePairs(job.rows, new PairTokenizer(job.model, config));
  if (pairs.length === 0) return { scores: logitsOf(job.rows, [], []).map(scoresOf), cut };
  const ranked = { method: 'rank' as const, model: job.model, adapter: null, pairrm: config };
  const { logits } = (await compute(
    'rank',
    job,
    { ...ranked, microBatchTokens: scoringTokens(job) },
    pairs.map(({ ids, judged }) => ({ ids, judged })),
    await context.ranks(job),
    context.control,
    reporter(context.control, 'pairs', pairs.length),
  )) as { logits: number[] };
  return { scores: logitsOf(job.rows, pairs, logits).map(scoresOf), cut };
}
