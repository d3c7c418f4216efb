/** From answers to labels: every candidate's verdict. */
import { contentOf } from '../data/conversation.ts';
import type { AnsweredRecord, LabelRecord, PromptRecord, SampledRecord } from '../data/records.ts';
import type { CallOptions } from '../engine/jobs.ts';
import type { Candidates, Labeler, Verdict } from './labeler.ts';

export interface Labels {
  labels: LabelRecord[];
  counts: Record<string, number>;
}

/** What a row's preference is made of: the policy's answers, then the data set's own chosen and rejected where it has them. */
export function candidatesOf(row: SampledRecord): Candidates {
  const texts = row.responses.map(({ text }) => text);
  for (const own of [row.chosen, row.rejected]) if (own !== undefined) texts.push(contentOf(own));
  return { prompt: promptOf(row), answers: texts };
}

/** The first answer of a policy, beside another's where the two are to be compared. */
export function firstAnswers(row: AnsweredRecord, opponent?: AnsweredRecord): Candidates {
  const answers = [row, ...(opponent ? [opponent] : [])].map(({ responses }) => responses[0].text);
  return { prompt: promptOf(row), answers };
}

function promptOf(row: AnsweredRecord): PromptRecord {
  const { responses, ...prompt } = row;
  void responses;
  return prompt;
}

/**
 * Judges every text once, however often it is among the answers to a prompt.
 * @param comparative whether the labeler only compares answers with each other. One alone then has half of what there is to
 *   win: it is not shown to the labeler.
 */
export async function judge(
  rows: Candidates[],
  labeler: Labeler,
  comparative: boolean,
  options: CallOptions = {},
): Promise<Labels> {
  const distinct = rows.map(({ prompt, answers }) => ({ prompt, answers: [...new Set(answers)] }));
  const isJudged = ({ answers }: Candidates) => !comparative || answers.length > 1;
  const { verdicts, counts = {} } = await labeler.judge(distinct.filter(isJudged), options);
  let next = 0;
  const labels = distinct.map((row) => {
    const given = isJudged(row) ? verdicts[next++] : [{ score: 0.5 }];
    if (given?.length !== row.answers.length) {
      throw new Error(`The labeler ${labeler.name} gave ${given?.length} verdicts on ${row.answers.length} answers.`);
    }
    return { id: row.prompt.id, candidates: row.answers.map((text, i) => ({ text, ...judgement(given[i]) })) };
  });
  return { labels, counts };
}

/** A score that is no number would be neither better nor worse than another: it is no judgement. */
const judgement = (verdict: Verdict): Verdict => (Number.isFinite(verdict.score) ? verdict : {});

/** The verdict on a text that was among the candidates. */
export const verdictOn = ({ candidates }: LabelRecord, text: string): Verdict =>
  candidates.find((candidate) => candidate.text === text)!;

/** Counts by name, of several added up. */
export function sumCounts(parts: Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const [name, count] of parts.flatMap(Object.entries<number>)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
