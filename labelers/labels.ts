/** Computes labels: the labeler's verdict on each candidate. */
import { contentOf, isCallAlone } from '../data/conversation.ts';
import type { AnsweredRecord, LabelRecord, PromptRecord, Text } from '../data/records.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import type { Labeler, Verdict } from './labeler.ts';
import type { Truncated } from './truncated.ts';

/** The labels of rows, and the labeler's counters. */
export interface Labels {
  labels: LabelRecord[];
  counts: Record<string, number>;
}

/** A prompt's candidates. */
export interface CandidateSet {
  prompt: PromptRecord;
  /** Texts of the candidates, as passed to the labeler. Undefined for tool calls without a text: a labeler scores texts. */
  texts: (string | undefined)[];
  /** Index of each candidate among all candidates of the row. */
  indices: number[];
}

/** All candidates of a row, by index: the responses, then the chosen and rejected responses of the data set. */
export const allCandidates = ({ responses, chosen, rejected }: AnsweredRecord): Text[] => [
  ...responses.map(({ text }) => text),
  ...[chosen, rejected].filter((own) => own !== undefined),
];

/** The candidates for a row's preference; with `drop`, without truncated responses. */
export function candidatesOf(row: AnsweredRecord, truncated: Truncated = 'keep'): CandidateSet {
  const all = allCandidates(row);
  const isDropped = (index: number) => truncated === 'drop' && row.responses[index]?.finish_reason === 'length';
  const indices = [...all.keys()].filter((index) => !isDropped(index));
  return { prompt: promptOf(row), texts: indices.map((index) => textToScore(all[index])), indices };
}

const textToScore = (response: Text): string | undefined => (isCallAlone(response) ? undefined : contentOf(response));

/** The first response of a policy (candidate 0) and the first response of an opponent (candidate 1), if there is one. */
export function firstAnswers(row: AnsweredRecord, opponent?: AnsweredRecord): CandidateSet {
  const texts = [row, ...(opponent ? [opponent] : [])].map(({ responses }) => textToScore(responses[0].text));
  return { prompt: promptOf(row), texts, indices: [...texts.keys()] };
}

function promptOf(row: AnsweredRecord): PromptRecord {
  const { responses: _responses, prompt_input_ids: _ids, ...prompt } = row;
  return prompt;
}

/**
 * Labels all candidates. Duplicate texts of a prompt are scored once, a prompt without texts is not passed to the labeler, and a
 * candidate without a text gets no score.
 */
export async function judge(rows: CandidateSet[], labeler: Labeler, options: CallOptions = {}): Promise<Labels> {
  const distinct = rows.map(({ prompt, texts }) => ({
    prompt,
    answers: [...new Set(texts.filter((text) => text !== undefined))],
  }));
  const { verdicts, counts = {} } = await labeler.judge(
    distinct.filter(({ answers }) => answers.length > 0),
    options,
  );
  let next = 0;
  const labels = rows.map(({ prompt, texts, indices }, i) => {
    const { answers } = distinct[i];
    const given = answers.length > 0 ? verdicts[next++] : [];
    if (given?.length !== answers.length) {
      throw new Error(`The labeler ${labeler.name} gave ${given?.length} verdicts on ${answers.length} answers.`);
    }
    const verdictOf = new Map<string | undefined, Verdict>(answers.map((text, j) => [text, judgement(given[j])]));
    return { id: prompt.id, candidates: texts.map((text, j) => ({ index: indices[j], ...verdictOf.get(text) })) };
  });
  return { labels, counts };
}

/** Treats a score that is not a finite number as absent, because it cannot be compared. */
const judgement = (verdict: Verdict): Verdict => (Number.isFinite(verdict.score) ? verdict : {});

/** The verdict on a candidate; undefined if the candidate was not labeled. */
export function verdictOn({ candidates }: LabelRecord, index: number): Verdict | undefined {
  const found = candidates.find((candidate) => candidate.index === index);
  if (!found) return undefined;
  const { index: _, ...verdict } = found;
  return verdict;
}

/** Adds up counts by name. */
export function sumCounts(parts: Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const [name, count] of parts.flatMap(Object.entries<number>)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
