/** Computes preferences from labels: the best candidate is chosen, the worst one rejected. */
import { asConversation, isCallAlone, isEmpty, responseTo, simplified } from '../data/conversation.ts';
import { sameText } from '../data/extract-prompt.ts';
import type { AnsweredRecord, LabelRecord, PreferenceRecord, PromptRecord, Role, Text } from '../data/records.ts';
import { templateFields } from '../data/template-inputs.ts';
import type { Verdict } from './labeler.ts';
import { allCandidates, sumCounts, verdictOn, type Labels } from './labels.ts';
import type { Truncated } from './truncated.ts';

/**
 * Reasons why a prompt has no preference: a single candidate, fewer than two scores because all others are tool calls without a text or
 * for another reason, no candidate that may be chosen and is better than another one, equal scores.
 */
const DROP_REASONS = ['oneCandidate', 'callsAlone', 'unjudged', 'noAnswer', 'tie'] as const;
type DropReason = (typeof DROP_REASONS)[number];

const REASONS: Record<DropReason, string> = {
  oneCandidate: 'with one candidate',
  callsAlone: 'with tool calls without a text, which labelers do not score',
  unjudged: 'with too few scored responses',
  noAnswer: 'with no better response that may be chosen',
  tie: 'tied',
};

/** The reasons why prompts have no preference, as text. @example '3 with one candidate, 2 tied' */
export const describeReasons = (dropped: Record<DropReason, number>): string =>
  DROP_REASONS.filter((reason) => dropped[reason] > 0)
    .map((reason) => `${dropped[reason]} ${REASONS[reason]}`)
    .join(', ');

/** Statistics of the step `label`. */
export interface LabelStats {
  rows: number;
  preferences: number;
  dropped: Record<DropReason, number>;
  /** The policy's own responses that are candidates. */
  answers: number;
  /** The policy's own responses that were cut at the length limit, whether or not they are candidates. */
  truncated: number;
  /** How many of `answers` have no score. */
  unjudged: number;
  /** Mean score of `answers`, without unscored ones; 0 if none has a score. */
  meanScore: number;
  /** Share of the scored responses that pass, if the labeler sets `pass`. */
  strictPassRate?: number;
  /** The labeler's counters. */
  counts?: Record<string, number>;
}

/** The token ids of a response that selm did not sample. */
interface EncodedText {
  prompt: number[];
  response: number[];
  /** Whether `prompt` equals the token ids of the prompt when it is encoded without a response. */
  isPrefix: boolean;
}

/** Options of `preferencesOf`. */
export interface PreferenceOptions {
  truncated?: Truncated;
  /** Encodes responses of the data set. Without it, these responses have no token ids. */
  encode?: (prompt: PromptRecord, response: Text) => EncodedText;
}

/**
 * Computes preferences from labeled rows. Equal responses count as one candidate. Among candidates with equal scores, the first one is
 * used. An empty response is never chosen, and a response without a score is neither chosen nor rejected.
 * @param references rows with the same prompts, in the same order. The first response of each is the preference's
 *   `reference_response`. Default: `rows`
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
    else {
      const { confidence } = labels[i];
      const preference = makePreference(row, pair, references[i], options.encode);
      preferences.push({ ...preference, ...(confidence !== undefined && { confidence }) });
    }
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

/** A response of the policy or of the data set. */
type GivenResponse = Pick<AnsweredRecord['responses'][number], 'text' | 'token_ids' | 'finish_reason'>;

const isTruncated = ({ finish_reason: reason }: GivenResponse) => reason === 'length';

const noneDropped = () => Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as LabelStats['dropped'];

/** Combines the statistics of several sets of rows. */
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
  const all = allCandidates(row).map(simplified);
  const differ = ([first, ...others]: { index: number }[]) =>
    others.some(({ index }) => !sameText(all[index], all[first.index]));
  if (!differ(candidates)) return 'oneCandidate';
  const judged = candidates.filter(isJudged);
  if (!differ(judged)) {
    const others = candidates.filter((candidate) => !isJudged(candidate));
    return others.every(({ index }) => isCallAlone(all[index])) ? 'callsAlone' : 'unjudged';
  }
  const isFit = ({ index }: { index: number }) =>
    !isEmpty(all[index]) && !(truncated === 'reject' && row.responses[index]?.finish_reason === 'length');
  const answers = judged.filter(isFit);
  if (answers.length === 0) return 'noAnswer';
  const chosen = answers.reduce((a, b) => (b.score > a.score ? b : a));
  const rejected = judged.reduce((a, b) => (b.score < a.score ? b : a));
  if (chosen.score > rejected.score) return { chosen, rejected };
  return judged.every(({ score }) => score === rejected.score) ? 'tie' : 'noAnswer';
}

/**
 * A preference. Responses of the policy have their sampled token ids; responses of the data set are encoded. A text that was cut and has
 * no token ids says so in `ROLE_finish_reason`. The preference is a conversation if the
 * prompt is one, or if a text cannot hold a response.
 */
function makePreference(
  row: AnsweredRecord,
  { chosen, rejected }: Pair,
  reference: AnsweredRecord,
  encode: PreferenceOptions['encode'],
): PreferenceRecord {
  const texts = allCandidates(row);
  const candidate = (index: number): GivenResponse => row.responses[index] ?? { text: texts[index] };
  const given: Record<Role, GivenResponse> = {
    chosen: candidate(chosen.index),
    rejected: candidate(rejected.index),
    reference: reference.responses[0],
  };
  const isConversation = Object.values(given).some(({ text }) => typeof simplified(text) !== 'string');
  const prompt = isConversation ? asConversation(row.prompt, 'user') : row.prompt;
  const { prompt_input_ids: promptIds } = row;
  const tokensOf = (role: Role) => {
    const { text, token_ids: ids } = given[role];
    if (promptIds && ids) return { [`${role}_input_ids`]: ids };
    if (isTruncated(given[role])) return { [`${role}_finish_reason`]: 'length' };
    if (!promptIds || !encode) return {};
    const encoded = encode(row, text);
    return {
      [`${role}_input_ids`]: encoded.response,
      ...(!encoded.isPrefix && { [`${role}_prompt_input_ids`]: encoded.prompt }),
    };
  };
  return {
    id: row.id,
    prompt,
    ...templateFields(row),
    chosen: responseTo(prompt, given.chosen.text),
    rejected: responseTo(prompt, given.rejected.text),
    reference_response: responseTo(prompt, given.reference.text),
    score_chosen: chosen.score,
    score_rejected: rejected.score,
    ...(promptIds && { prompt_input_ids: promptIds }),
    ...tokensOf('chosen'),
    ...tokensOf('rejected'),
    ...tokensOf('reference'),
  };
}

/** Whether a verdict has a score. */
export const isJudged = <V extends Verdict>(verdict: V): verdict is V & { score: number } =>
  verdict.score !== undefined;

/** Mean score and pass rate of the verdicts with a score. The mean is 0 if no verdict has a score. */
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
