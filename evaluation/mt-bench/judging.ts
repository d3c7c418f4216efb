/** Judges MT-Bench's answers one by one (single-answer grading), as FastChat's gen_judgment does. */
import { messageText } from '../../data/conversation.ts';
import type { QuestionJudgement } from './files.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import { isAnswer, type Ask, type Judging } from '../../labelers/judge/ask.ts';
import { countsOf } from '../../labelers/judge/counts.ts';
import { conclusionOf } from '../../labelers/judge/verdicts.ts';
import { sumCounts } from '../../labelers/labels.ts';
import type { Match } from './matches.ts';
import { UNRATED } from './scores.ts';

/** FastChat's settings of its judges. */
export const JUDGING: Judging = { temperature: 0, maxTokens: 2048 };

/** Judgements per request to the judge; they are saved together. */
const BATCH = 32;

/** A judge of MT-Bench. */
export interface Judge {
  name: string;
  ask: Ask;
}

interface JudgingOptions extends CallOptions {
  /** The model whose answers are judged. */
  model: string;
  /** Earlier judgements, also of other models and judges. Those of the same text are reused. */
  known: QuestionJudgement[];
  /** Called with all judgements so far after each batch. */
  save: (judgements: QuestionJudgement[]) => Promise<void>;
}

/**
 * Judges all answers and saves the judgements. Requests that the judge rejects, and replies that are cut before their rating, have no
 * rating.
 * @returns the counts of the labeler `judge`
 */
export async function judgeAnswers(
  { name, ask }: Judge,
  matches: Match[],
  { model, known, save, signal, onProgress }: JudgingOptions,
): Promise<Record<string, number>> {
  const found = new Map(known.map((judgement) => [keyOf(judgement), judgement]));
  const open = matches
    .map(({ question: { question_id }, turn, template, messages }) => {
      const wanted = {
        question_id,
        model,
        judge: [name, template] as [string, string],
        user_prompt: messageText(messages.at(-1)!),
        turn,
      };
      return { wanted, messages };
    })
    .filter(({ wanted }) => found.get(keyOf(wanted))?.user_prompt !== wanted.user_prompt);

  const counts: Record<string, number>[] = [];
  for (let start = 0; start < open.length; start += BATCH) {
    const batch = open.slice(start, start + BATCH);
    const replies = await ask(
      batch.map(({ messages }) => messages),
      {
        ...(signal && { signal }),
        onProgress: (progress) => onProgress?.({ ...progress, done: start + progress.done, total: open.length }),
      },
    );
    const ratings = replies.map((reply) => (isAnswer(reply) ? ratingIn(conclusionOf(reply)) : undefined));
    counts.push(countsOf(replies, ratings));
    for (const [i, { wanted }] of batch.entries()) {
      const [reply, rating] = [replies[i], ratings[i]];
      if (!isAnswer(reply) || (rating === undefined && reply.finishReason === 'length')) found.delete(keyOf(wanted));
      else found.set(keyOf(wanted), { ...wanted, judgment: reply.text, score: rating ?? UNRATED });
    }
    await save([...found.values()]);
  }
  return sumCounts(counts);
}

type Key = Pick<QuestionJudgement, 'question_id' | 'turn' | 'model' | 'judge'>;
const keyOf = ({ question_id, turn, model, judge: [judge] }: Key) => JSON.stringify([question_id, turn, model, judge]);

/** FastChat's patterns: a number in double brackets, else a number in single brackets. */
const RATINGS = [/\[\[(\d+\.?\d*)\]\]/, /\[(\d+\.?\d*)\]/];

/** The first rating in a judgement. As in FastChat, it may be outside the scale of the prompt, unlike a rating of the labeler. */
export function ratingIn(judgement: string): number | undefined {
  for (const pattern of RATINGS) {
    const found = pattern.exec(judgement);
    if (found) return Number(found[1]);
  }
  return undefined;
}
