/** MT-Bench's answers judged one by one (single-answer grading), as FastChat's gen_judgment has them judged. */
import type { QuestionJudgement } from '../../data/mt-bench.ts';
import type { Message } from '../../data/records.ts';
import type { CallOptions } from '../../engine/jobs.ts';
import { RequestRefused } from '../../openai/errors.ts';
import type { Match } from './matches.ts';
import { ratingIn } from './rating.ts';
import { UNRATED } from './scores.ts';

/** What FastChat asks its judges for. */
const TEMPERATURE = 0;
const MAX_TOKENS = 2048;

export interface Judge {
  readonly model: string;
  /** @throws RequestRefused when it does not take this conversation */
  chat(
    messages: Message[],
    options: { temperature: number; maxTokens: number; signal?: AbortSignal },
  ): Promise<{ text: string }>;
}

export interface JudgingOptions extends CallOptions {
  /** Whose answers are judged. */
  model: string;
  /** Judgements that are there already, also those of other models and judges. One on the same text is not made again. */
  known: QuestionJudgement[];
  /** Told of all judgements so far, one call at a time. */
  save: (judgements: QuestionJudgement[]) => Promise<void>;
}

/**
 * @returns all judgements, and why the judge refused to judge some answers
 * @throws as the judge does; what was judged until then is saved
 */
export async function judgeAnswers(
  judge: Judge,
  matches: Match[],
  { model, known, save, signal, onProgress }: JudgingOptions,
): Promise<{ judgements: QuestionJudgement[]; refusals: string[] }> {
  const given = new Map(known.map((judgement) => [keyOf(judgement), judgement]));
  const keys = matches.map(({ question: { question_id }, turn, template }) => keyOf({ question_id, turn, model, judge: [judge.model, template] })); // prettier-ignore
  const ownKeys = new Set(keys);
  const others = [...given].filter(([key]) => !ownKeys.has(key)).map(([, judgement]) => judgement);
  const all = () => [...others, ...keys.flatMap((key) => given.get(key) ?? [])];

  const refusals: string[] = [];
  const stop = new AbortController();
  const wanted = AbortSignal.any([stop.signal, ...(signal ? [signal] : [])]);
  const saver = oneAtATime(() => save(all()));
  let done = 0;
  const judging = matches.map(async ({ question: { question_id }, turn, template, messages }, i) => {
    const user_prompt = messages.at(-1)!.content;
    if (given.get(keys[i])?.user_prompt !== user_prompt) {
      try {
        const { text } = await judge.chat(messages, { temperature: TEMPERATURE, maxTokens: MAX_TOKENS, signal: wanted });
        const score = ratingIn(text) ?? UNRATED;
        given.set(keys[i], { question_id, model, judge: [judge.model, template], user_prompt, judgment: text, score, turn }); // prettier-ignore
        await saver();
      } catch (error) {
        if (!(error instanceof RequestRefused)) {
          // The others need not be asked any more: what failed once, fails for all.
          stop.abort(error);
          throw error;
        }
        given.delete(keys[i]);
        refusals.push(error.message);
      }
    }
    onProgress?.({ done: ++done, total: matches.length, unit: 'answers', tokens: 0 });
  });
  const failure = (await Promise.allSettled(judging)).find(({ status }) => status === 'rejected');
  if (failure) throw (failure as PromiseRejectedResult).reason;
  return { judgements: all(), refusals };
}

const keyOf = ({ question_id, turn, model, judge }: Pick<QuestionJudgement, 'question_id' | 'turn' | 'model' | 'judge'>) =>
  JSON.stringify([question_id, turn, model, judge]);

/** Calls of `work` never overlap. Those that come while it is under way are served together by one more. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () =>
    (next ??= current.then(() => {
      next = undefined;
      return (current = work());
    }));
}
