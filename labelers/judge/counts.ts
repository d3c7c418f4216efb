/** Counters of a judge's replies: rejected requests, missing verdicts, tokens, cost. */
import { isAnswer, type Reply } from './ask.ts';

/** US dollars per million tokens. */
export interface Price {
  prompt: number;
  completion: number;
}

/**
 * The counters of a judge. They depend only on the replies, not on the number of attempts, so that labels are reproducible.
 * @param verdicts one per reply; undefined for a reply without a verdict
 */
export function countsOf(replies: Reply[], verdicts: unknown[], price?: Price): Record<string, number> {
  const answers = replies.filter(isAnswer);
  const undecided = replies.filter((_, i) => verdicts[i] === undefined).filter(isAnswer);
  const filtered = undecided.filter(({ finishReason }) => finishReason === 'content_filter').length;
  const emptyAnswers = undecided.filter(({ text, finishReason }) => text === '' && finishReason === 'stop').length;
  const truncatedJudgements = undecided.filter(({ finishReason }) => finishReason === 'length').length;
  const withoutTemperature = answers.filter((answer) => answer.withoutTemperature).length;
  const promptTokens = answers.reduce((total, { usage }) => total + usage.promptTokens, 0);
  const completionTokens = answers.reduce((total, { usage }) => total + usage.completionTokens, 0);
  return {
    judgements: replies.length,
    refused: replies.length - answers.length + filtered,
    unparsed: undecided.length - filtered,
    ...(emptyAnswers > 0 && { emptyAnswers }),
    ...(truncatedJudgements > 0 && { truncatedJudgements }),
    ...(withoutTemperature > 0 && { withoutTemperature }),
    promptTokens,
    completionTokens,
    ...(price && { usd: (promptTokens * price.prompt + completionTokens * price.completion) / 1e6 }),
  };
}
