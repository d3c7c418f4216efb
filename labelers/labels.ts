/** From answers to labels: every candidate's verdict. */
import { contentOf } from '../data/conversation.ts';
import type { AnsweredRecord, LabelRecord, PromptRecord, Text } from '../data/records.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import type { Labeler, Verdict } from './labeler.ts';
import type { Truncated } from './truncated.ts';

export interface Labels {
  labels: LabelRecord[];
  counts: Record<string, number>;
}

/** A prompt's candidates. */
export interface CandidateSet {
  prompt: PromptRecord;
  /** As the labeler reads them. */
  texts: string[];
  /** Which candidate of the row each of them is. */
  indices: number[];
}

/** All of a row's candidates in the order in which labels count them: the responses, then the data set's own chosen and rejected. */
export const allCandidates = ({ responses, chosen, rejected }: AnsweredRecord): Text[] => [
  ...responses.map(({ text }) => text),
  ...[chosen, rejected].filter((own) => own !== undefined),
];

/** The candidates that a row's preference is made of. */
export function candidatesOf(row: AnsweredRecord, truncated: Truncated = 'keep'): CandidateSet {
  const all = allCandidates(row);
  const isDropped = (index: number) => truncated === 'drop' && row.responses[index]?.finish_reason === 'length';
  const indices = [...all.keys()].filter((index) => !isDropped(index));
  return { prompt: promptOf(row), texts: indices.map((index) => contentOf(all[index])), indices };
}

/** The first answer of a policy (candidate 0), beside another's (candidate 1) where the two are to be compared. */
export function firstAnswers(row: AnsweredRecord, opponent?: AnsweredRecord): CandidateSet {
  const texts = [row, ...(opponent ? [opponent] : [])].map(({ responses }) => responses[0].text);
  return { prompt: promptOf(row), texts, indices: [...texts.keys()] };
}

function promptOf(row: AnsweredRecord): PromptRecord {
  const { responses: _responses, prompt_input_ids: _ids, ...prompt } = row;
  return prompt;
}

/**
 * Judges every text once, however often it is among a prompt's candidates.
 * @param comparative whether the labeler only compares answers with each other. One alone then has half of what there is to
 *   win: it is not shown to the labeler.
 */
export async function judge(
  rows: CandidateSet[],
  labeler: Labeler,
  comparative: boolean,
  options: CallOptions = {},
): Promise<Labels> {
  const distinct = rows.map(({ prompt, texts }) => ({ prompt, answers: [...new Set(texts)] }));
  const fewest = comparative ? 2 : 1;
  const shown = distinct.filter(({ answers }) => answers.length >= fewest);
  const { verdicts, counts = {} } = await labeler.judge(shown, options);
  let next = 0;
  const labels = rows.map(({ prompt, texts, indices }, i) => {
    const { answers } = distinct[i];
    const given = answers.length >= fewest ? verdicts[next++] : answers.map(() => ({ score: 0.5 }));
    if (given?.length !== answers.length) {
      throw new Error(`The labeler ${labeler.name} gave ${given?.length} verdicts on ${answers.length} answers.`);
    }
    const verdictOf = new Map(answers.map((text, j) => [text, judgement(given[j])]));
    return { id: prompt.id, candidates: texts.map((text, j) => ({ index: indices[j], ...verdictOf.get(text)! })) };
  });
  return { labels, counts };
}

/** A score that is no number would be neither better nor worse than another: it is no judgement. */
const judgement = (verdict: Verdict): Verdict => (Number.isFinite(verdict.score) ? verdict : {});

/** The verdict on a candidate; none where it is not among those that were labeled. */
export function verdictOn({ candidates }: LabelRecord, index: number): Verdict | undefined {
  const found = candidates.find((candidate) => candidate.index === index);
  if (!found) return undefined;
  const { index: _, ...verdict } = found;
  return verdict;
}

/** Counts by name, of several added up. */
export function sumCounts(parts: Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const [name, count] of parts.flatMap(Object.entries<number>)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
