/** From labels to preferences: the best candidate becomes chosen, the worst rejected. */
import { asConversation, contentOf, responseTo } from '../data/conversation.ts';
import type { AnsweredRecord, LabelRecord, PreferenceRecord, PromptRecord, Role, Text } from '../data/records.ts';
import type { Verdict } from './labeler.ts';
import { allCandidates, sumCounts, verdictOn, type Labels } from './labels.ts';
import type { Truncated } from './truncated.ts';

/**
 * Why a prompt has no preference: one candidate only, fewer than two scores, no candidate that may be chosen, or equal scores.
 */
const DROP_REASONS = ['oneCandidate', 'unjudged', 'noAnswer', 'tie'] as const;
type DropReason = (typeof DROP_REASONS)[number];

const REASONS: Record<DropReason, string> = {
  oneCandidate: 'with one candidate',
  unjudged: 'with too few judgements',
  noAnswer: 'with no answer that may be chosen',
  tie: 'tied',
};

/** Why prompts have no preference, such as '3 with one candidate, 2 tied'. */
export const describeReasons = (dropped: Record<DropReason, number>): string =>
  DROP_REASONS.filter((reason) => dropped[reason] > 0)
    .map((reason) => `${dropped[reason]} ${REASONS[reason]}`)
    .join(', ');

export interface LabelStats {
  rows: number;
  preferences: number;
  dropped: Record<DropReason, number>;
  /** The policy's own responses that are candidates. */
  answers: number;
  /** The policy's own responses that were cut at the length limit, whether or not they are candidates. */
  truncated: number;
  /** Those of `answers` without a score. */
  unjudged: number;
  /** Of those with a score; 0 if there are none. */
  meanScore: number;
  /** Share of those that pass, if the labeler decides about passing. */
  strictPassRate?: number;
  /** The labeler's counters. */
  counts?: Record<string, number>;
}

/** The tokens of a response that was not sampled by selm. */
interface EncodedText {
  prompt: number[];
  response: number[];
  /** Whether `prompt` has the tokens of the prompt encoded by itself. */
  isPrefix: boolean;
}

export interface PreferenceOptions {
  truncated?: Truncated;
  /** Encodes the data set's own responses; without it such a response has no token ids. */
  encode?: (prompt: PromptRecord, response: Text) => EncodedText;
}

/**
 * Makes preferences of labeled rows. Equal texts count once, and of candidates with equal scores the first is taken. An empty response
 * is never chosen; one without a score is neither chosen nor rejected.
 * @param references rows of the same prompts: the first response of each becomes the preference's `reference_response`. Default:
 *   `rows`
 */
export function preferencesOf(
  rows: AnsweredRecord[],
  { labels, counts }: Labels,
  references: AnsweredRecord[] = rows,
  options: PreferenceOptions = {},
): { preferences: PreferenceRecord[]; stats: LabelStats } {
  const preferences: PreferenceRecord[] = [];
  const dropped = noneDropped();
  for (const [i, row] of rows.entries()) {
    const pair = pairOf(row, labels[i], options.truncated ?? 'keep');
    if (typeof pair === 'string') dropped[pair]++;
    else preferences.push(makePreference(row, pair, references[i], options.encode));
  }
  const own = rows.flatMap(({ responses }, i) => responses.flatMap((_, index) => verdictOn(labels[i], index) ?? []));
  const truncated = rows.flatMap(({ responses }) => responses).filter(isTruncated).length;
  const stats = { rows: rows.length, preferences: preferences.length, dropped, answers: own.length };
  return {
    preferences,
    stats: {
      ...stats,
      truncated,
      ...summarizeVerdicts(own),
      ...(Object.keys(counts).length > 0 && { counts }),
    },
  };
}

const isTruncated = ({ finish_reason: reason }: AnsweredRecord['responses'][number]) => reason === 'length';

const noneDropped = () => Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as LabelStats['dropped'];

/** The statistics of several sets of rows together. */
export function sumStats(parts: LabelStats[]): LabelStats {
  const sum = (of: (stats: LabelStats) => number) => parts.reduce((total, stats) => total + of(stats), 0);
  const judgedOf = ({ answers, unjudged }: LabelStats) => answers - unjudged;
  const judged = sum(judgedOf);
  const overJudged = (of: (stats: LabelStats) => number) =>
    judged === 0 ? 0 : sum((stats) => of(stats) * judgedOf(stats)) / judged;
  const counts = sumCounts(parts.map((stats) => stats.counts ?? {}));
  const withPass = parts.filter((stats) => judgedOf(stats) > 0);
  return {
    rows: sum(({ rows }) => rows),
    preferences: sum(({ preferences }) => preferences),
    dropped: Object.fromEntries(
      DROP_REASONS.map((reason) => [reason, sum(({ dropped }) => dropped[reason])]),
    ) as LabelStats['dropped'],
    answers: sum(({ answers }) => answers),
    truncated: sum(({ truncated }) => truncated),
    unjudged: sum(({ unjudged }) => unjudged),
    meanScore: overJudged(({ meanScore }) => meanScore),
    ...(withPass.length > 0 &&
      withPass.every(({ strictPassRate }) => strictPassRate !== undefined) && {
        strictPassRate: overJudged(({ strictPassRate = 0 }) => strictPassRate),
      }),
    ...(Object.keys(counts).length > 0 && { counts }),
  };
}

interface Pair {
  chosen: { index: number; score: number };
  rejected: { index: number; score: number };
}

function pairOf(row: AnsweredRecord, { candidates }: LabelRecord, truncated: Truncated): Pair | DropReason {
  const all = allCandidates(row).map(contentOf);
  if (new Set(candidates.map(({ index }) => all[index])).size <= 1) return 'oneCandidate';
  const judged = candidates.filter(isJudged);
  if (new Set(judged.map(({ index }) => all[index])).size < 2) return 'unjudged';
  const isFit = ({ index }: { index: number }) =>
    all[index].trim() !== '' && !(truncated === 'reject' && row.responses[index]?.finish_reason === 'length');
  const answers = judged.filter(isFit);
  if (answers.length === 0) return 'noAnswer';
  const chosen = answers.reduce((a, b) => (b.score > a.score ? b : a));
  const rejected = judged.reduce((a, b) => (b.score < a.score ? b : a));
  return chosen.score <= rejected.score ? 'tie' : { chosen, rejected };
}

/** A preference: responses of the policy have the sampled tokens, responses of the data set those of their encoded text. */
function makePreference(
  row: AnsweredRecord,
  { chosen, rejected }: Pair,
  reference: AnsweredRecord,
  encode: PreferenceOptions['encode'],
): PreferenceRecord {
  const texts = allCandidates(row);
  const given = {
    chosen: { text: texts[chosen.index], ids: row.responses[chosen.index]?.token_ids },
    rejected: { text: texts[rejected.index], ids: row.responses[rejected.index]?.token_ids },
    reference: { text: reference.responses[0].text as Text, ids: reference.responses[0].token_ids },
  };
  const isLong = Object.values(given).some(({ text }) => typeof text !== 'string' && text.length > 1);
  const prompt = isLong ? asConversation(row.prompt, 'user') : row.prompt;
  const idsOf = (role: Role) => {
    const { text, ids } = given[role];
    if (ids) return { [`${role}_input_ids`]: ids };
    if (!encode) return {};
    const encoded = encode(row, text);
    return {
      [`${role}_input_ids`]: encoded.response,
      ...(!encoded.isPrefix && { [`${role}_prompt_input_ids`]: encoded.prompt }),
    };
  };
  return {
    id: row.id,
    prompt,
    ...('tools' in row && { tools: row['tools'] }),
    chosen: responseTo(prompt, given.chosen.text),
    rejected: responseTo(prompt, given.rejected.text),
    reference_response: responseTo(prompt, given.reference.text),
    score_chosen: chosen.score,
    score_rejected: rejected.score,
    ...(row.prompt_input_ids && {
      prompt_input_ids: row.prompt_input_ids,
      ...idsOf('chosen'),
      ...idsOf('rejected'),
      ...idsOf('reference'),
    }),
  };
}

export const isJudged = <V extends Verdict>(verdict: V): verdict is V & { score: number } =>
  verdict.score !== undefined;

/** Means over the verdicts with a score; 0 without any. */
export function summarizeVerdicts(verdicts: Verdict[]): {
  unjudged: number;
  meanScore: number;
  strictPassRate?: number;
} {
  const judged = verdicts.filter(isJudged);
  const mean = (of: (verdict: Verdict & { score: number }) => number) =>
    judged.length === 0 ? 0 : judged.reduce((total, verdict) => total + of(verdict), 0) / judged.length;
  return {
    unjudged: verdicts.length - judged.length,
    meanScore: mean(({ score }) => score),
    ...(judged.length > 0 &&
      judged.every(({ pass }) => pass !== undefined) && { strictPassRate: mean(({ pass }) => Number(pass)) }),
  };
}
