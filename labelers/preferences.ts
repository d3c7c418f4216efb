/** From sampled answers to preferences: the best candidate becomes chosen, the worst rejected. */
import { contentOf, responseTo } from '../data/conversation.ts';
import type { PreferenceRecord, SampledRecord } from '../data/records.ts';
import type { Labeler, Verdict } from './labeler.ts';

/** Why a prompt carries no preference: nothing to compare, nothing fit to be chosen, or the best no better than the worst. */
export type DropReason = 'oneCandidate' | 'noAnswer' | 'tie';

export interface LabelStats {
  rows: number;
  preferences: number;
  dropped: Record<DropReason, number>;
  /** Of the policy's own answers, every one counted. */
  answers: number;
  meanScore: number;
  /** The share of the policy's own answers that do all that was asked, where the labeler says so. */
  strictPassRate?: number;
}

interface Candidate extends Verdict {
  text: string;
}

/**
 * Labels every row. Candidates are the policy's answers, then the data set's own chosen and rejected where it has them; equal
 * texts count once. Of equally scored candidates the first is taken. An empty answer is never chosen. The preference's
 * `reference_response` is the first of the policy's answers.
 */
export async function label(
  rows: SampledRecord[],
  labeler: Labeler,
): Promise<{ preferences: PreferenceRecord[]; stats: LabelStats }> {
  const texts = rows.map(candidateTexts);
  const verdicts = await labeler.judge(rows.map((prompt, i) => ({ prompt, answers: texts[i] })));
  const candidates = texts.map((row, i) => row.map((text, j): Candidate => ({ text, ...verdicts[i][j] })));

  const preferences: PreferenceRecord[] = [];
  const dropped: LabelStats['dropped'] = { oneCandidate: 0, noAnswer: 0, tie: 0 };
  for (const [i, row] of rows.entries()) {
    const preference = prefer(row, candidates[i]);
    if (typeof preference === 'string') dropped[preference]++;
    else preferences.push(preference);
  }
  const own = rows.flatMap(({ responses }, i) =>
    responses.map(({ text }) => candidates[i].find((c) => c.text === text)!),
  );
  return { preferences, stats: { rows: rows.length, preferences: preferences.length, dropped, ...summarize(own) } };
}

/** What is said of several sets of rows, of all of them together. */
export function sumStats(parts: LabelStats[]): LabelStats {
  const sum = (of: (stats: LabelStats) => number) => parts.reduce((total, stats) => total + of(stats), 0);
  const answers = sum((stats) => stats.answers);
  const overAnswers = (of: (stats: LabelStats) => number) => sum((stats) => of(stats) * stats.answers) / answers;
  return {
    rows: sum(({ rows }) => rows),
    preferences: sum(({ preferences }) => preferences),
    dropped: {
      oneCandidate: sum(({ dropped }) => dropped.oneCandidate),
      noAnswer: sum(({ dropped }) => dropped.noAnswer),
      tie: sum(({ dropped }) => dropped.tie),
    },
    answers,
    meanScore: overAnswers(({ meanScore }) => meanScore),
    ...(parts.every(({ strictPassRate }) => strictPassRate !== undefined) && {
      strictPassRate: overAnswers(({ strictPassRate }) => strictPassRate!),
    }),
  };
}

function candidateTexts({ responses, chosen, rejected }: SampledRecord): string[] {
  const texts = responses.map(({ text }) => text);
  for (const response of [chosen, rejected]) if (response !== undefined) texts.push(contentOf(response));
  return [...new Set(texts)];
}

function prefer({ id, prompt, responses }: SampledRecord, candidates: Candidate[]): PreferenceRecord | DropReason {
  if (candidates.length === 1) return 'oneCandidate';
  const answers = candidates.filter(({ text }) => text.trim() !== '');
  if (answers.length === 0) return 'noAnswer';
  const best = answers.reduce((a, b) => (b.score > a.score ? b : a));
  const worst = candidates.reduce((a, b) => (b.score < a.score ? b : a));
  if (best.score <= worst.score) return 'tie';
  return {
    id,
    prompt,
    chosen: responseTo(prompt, best.text),
    rejected: responseTo(prompt, worst.text),
    reference_response: responseTo(prompt, responses[0].text),
    score_chosen: best.score,
    score_rejected: worst.score,
  };
}

function summarize(verdicts: Verdict[]): Pick<LabelStats, 'answers' | 'meanScore' | 'strictPassRate'> {
  return {
    answers: verdicts.length,
    meanScore: mean(verdicts.map(({ score }) => score)),
    ...(verdicts.every(({ pass }) => pass !== undefined) && {
      strictPassRate: mean(verdicts.map(({ pass }) => Number(pass))),
    }),
  };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
