/** From labeled answers to preferences: the best candidate becomes chosen, the worst rejected. */
import { responseTo } from '../data/conversation.ts';
import type { LabelRecord, PreferenceRecord, SampledRecord } from '../data/records.ts';
import type { Verdict } from './labeler.ts';
import { sumCounts, verdictOn, type Labels } from './labels.ts';

/**
 * Why a prompt carries no preference: nothing to compare, too little judged to compare, nothing fit to be chosen, or the best
 * no better than the worst.
 */
export const DROP_REASONS = ['oneCandidate', 'unjudged', 'noAnswer', 'tie'] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface LabelStats {
  rows: number;
  preferences: number;
  dropped: Record<DropReason, number>;
  /** Of the policy's own answers, every one counted. */
  answers: number;
  /** Those of them that the labeler gave no judgement on. */
  unjudged: number;
  /** Of the others; 0 where there are none. */
  meanScore: number;
  /** The share of those that do all that was asked, where the labeler says so. */
  strictPassRate?: number;
  /** What the labeler counted. */
  counts?: Record<string, number>;
}

/**
 * Makes preferences of labeled rows. Equal texts count once. Of equally scored candidates the first is taken. An empty answer is
 * never chosen, one without a judgement neither chosen nor rejected.
 * @param references rows of the same prompts: the first answer of each becomes the preference's `reference_response`. By
 *   default the policy's own.
 */
export function preferencesOf(
  rows: SampledRecord[],
  { labels, counts }: Labels,
  references: SampledRecord[] = rows,
): { preferences: PreferenceRecord[]; stats: LabelStats } {
  const preferences: PreferenceRecord[] = [];
  const dropped = noneDropped();
  for (const [i, row] of rows.entries()) {
    const preference = prefer(row, labels[i], references[i]);
    if (typeof preference === 'string') dropped[preference]++;
    else preferences.push(preference);
  }
  const own = rows.flatMap(({ responses }, i) => responses.map(({ text }) => verdictOn(labels[i], text)));
  const stats = { rows: rows.length, preferences: preferences.length, dropped, answers: own.length };
  return {
    preferences,
    stats: { ...stats, ...summarizeVerdicts(own), ...(Object.keys(counts).length > 0 && { counts }) },
  };
}

const noneDropped = () => Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as LabelStats['dropped'];

/** What is said of several sets of rows, of all of them together. */
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
    unjudged: sum(({ unjudged }) => unjudged),
    meanScore: overJudged(({ meanScore }) => meanScore),
    ...(withPass.length > 0 &&
      withPass.every(({ strictPassRate }) => strictPassRate !== undefined) && {
        strictPassRate: overJudged(({ strictPassRate = 0 }) => strictPassRate),
      }),
    ...(Object.keys(counts).length > 0 && { counts }),
  };
}

function prefer(
  { id, prompt }: SampledRecord,
  { candidates }: LabelRecord,
  reference: SampledRecord,
): PreferenceRecord | DropReason {
  if (candidates.length === 1) return 'oneCandidate';
  const judged = candidates.filter(isJudged);
  if (judged.length < 2) return 'unjudged';
  const answers = judged.filter(({ text }) => text.trim() !== '');
  if (answers.length === 0) return 'noAnswer';
  const best = answers.reduce((a, b) => (b.score > a.score ? b : a));
  const worst = judged.reduce((a, b) => (b.score < a.score ? b : a));
  if (best.score <= worst.score) return 'tie';
  return {
    id,
    prompt,
    chosen: responseTo(prompt, best.text),
    rejected: responseTo(prompt, worst.text),
    reference_response: responseTo(prompt, reference.responses[0].text),
    score_chosen: best.score,
    score_rejected: worst.score,
  };
}

export const isJudged = <V extends Verdict>(verdict: V): verdict is V & { score: number } =>
  verdict.score !== undefined;

/** Means over the verdicts that are a judgement; 0 where none is. */
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
